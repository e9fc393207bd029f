"""Versions that a start serves not: gone, away, or without what they need. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.control.wanted import Wanted
from headrace.execution.policy import WHOLE

#: Where no registry and no store says why.
GONE: Final = "its folder is gone"


@dataclass(frozen=True)
class Lost:
    """One of them."""

    model: str
    #: None where its source does not even say which it would be.
    version: int | None
    #: What it had of the requests that name no version; others share that now.
    share_percent: float
    reason: str

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.model if self.version is None else f"{self.model}/{self.version}"

    def __str__(self) -> str:
        if self.version is None:
            return f"{self.model} is not served, and is asked for again by itself: {self.reason}"
        had = f"; others have its {self.share_percent:g} % of the traffic"
        return (
            f"{self.label} was wanted and is not served: {self.reason}"
            f"{had if self.share_percent else ''}"
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as the console tells of it."""
        return asdict(self)


def lost(
    model: str, before: Wanted | None, after: Wanted, reasons: Mapping[int, str]
) -> list[Lost]:
    """Return what a start has lost of a model.

    Args:
        model: its name.
        before: what was wanted.
        after: what is wanted of what was found and can be served.
        reasons: why a version was not found or cannot be, by number, where that was said.
    """
    kept = before if before is not None and before.folder == after.folder else Wanted(after.folder)
    shares = kept.shares or {}
    return [
        Lost(model, one, 100 * shares.get(one, 0) / WHOLE, reasons.get(one, GONE))
        for one in sorted({*kept.versions, *reasons} - set(after.versions))
    ]


def away(lost: Iterable[Lost]) -> list[str]:
    """Return the models whose source could not be had."""
    return sorted(one.model for one in lost if one.version is None)


def still(lost: Iterable[Lost], there: Collection[str]) -> list[Lost]:
    """Return what is lost of it once the models are ``there``."""
    return [one for one in lost if one.version is not None or one.model not in there]
