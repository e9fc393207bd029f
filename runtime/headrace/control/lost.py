"""Versions that were wanted, and that a start did not find any more. Pure."""

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
        after: what is wanted of what was found.
        reasons: why a version was not found, by number, where that was said.
    """
    if before is None or before.folder != after.folder:
        return []
    shares = before.shares or {}
    return [
        Lost(model, one, 100 * shares.get(one, 0) / WHOLE, reasons.get(one, GONE))
        for one in sorted(set(before.versions) - set(after.versions))
    ]
