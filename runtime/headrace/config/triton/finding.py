"""What became of one field of a config.pbtxt."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

#: A key of model.yaml, from the top.
Key = tuple[str, ...]
NOTHING: Final[Mapping[Key, Any]] = MappingProxyType({})


class Verdict(Enum):
    """How a field came over."""

    TAKEN = "taken"
    #: There is a word for it that means something else in part.
    DIFFERS = "differs"
    #: It has no meaning here, and nothing that a caller sees hangs on it.
    LEFT_OUT = "left out"
    #: What it asks for is not there.
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """What became of a field, and why."""

    #: As Triton writes it, from the top: ``dynamic_batching.preserve_ordering``.
    field: str
    verdict: Verdict
    text: str = ""
    #: What it says in model.yaml.
    settings: Mapping[Key, Any] = dataclasses.field(default_factory=dict)
    #: Fields below it that this speaks of.
    parts: tuple[str, ...] = ()

    def refused(self, why: str) -> "Finding":
        """Return it without its settings, which model.yaml does not take."""
        return dataclasses.replace(self, verdict=Verdict.REFUSED, text=why, settings=NOTHING)


def taken(field: str, settings: Mapping[Key, Any] = NOTHING, text: str = "") -> Finding:
    """It means the same here."""
    return Finding(field, Verdict.TAKEN, text, settings)


def differs(field: str, text: str, settings: Mapping[Key, Any] = NOTHING) -> Finding:
    """It means something else in part, or Headrace does otherwise."""
    return Finding(field, Verdict.DIFFERS, text, settings)


def left_out(field: str, why: str) -> Finding:
    """It has no meaning here."""
    return Finding(field, Verdict.LEFT_OUT, why)


def refused(field: str, why: str) -> Finding:
    """What it asks for is not there."""
    return Finding(field, Verdict.REFUSED, why)


def passed_over(paths: Iterable[str], findings: Iterable[Finding]) -> Iterator[str]:
    """Yield which of the fields at ``paths`` no finding speaks of.

    What is left out or refused takes along all that is below it.
    """
    told: set[str] = set()
    whole: set[str] = set()
    for one in findings:
        told |= {one.field, *(f"{one.field}.{part}" for part in one.parts)}
        if one.verdict in (Verdict.LEFT_OUT, Verdict.REFUSED):
            whole.add(one.field)
    for path in paths:
        above = (path[: sign.start()] for sign in re.finditer(r"[.\[]", path))
        if path not in told and not any(one in whole for one in above):
            yield path
