"""Versions that a start serves not: gone, or without what they need. Pure."""

from collections.abc import Mapping
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
    version: int
    #: What it had of the requests that name no version; others share that now.
    share_percent: float
    reason: str

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"{self.model}/{self.version}"

    def __str__(self) -> str:
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
