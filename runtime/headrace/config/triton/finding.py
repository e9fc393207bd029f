"""What became of one field of a config.pbtxt."""

import dataclasses
from collections.abc import Mapping
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

    def covers(self, path: str) -> bool:
        """Return whether this says what became of the field at ``path``.

        What is left out or refused takes along all that is below it.
        """
        if path == self.field or path in (f"{self.field}.{part}" for part in self.parts):
            return True
        whole = self.verdict in (Verdict.LEFT_OUT, Verdict.REFUSED)
        return whole and path.startswith((f"{self.field}.", f"{self.field}["))

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
