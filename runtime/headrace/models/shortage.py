"""What a version lacks of a device, and whose end would give it that. Pure."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Claim:
    """What a version has of a device, or is about to have."""

    label: str
    pid: int
    bytes: int


@dataclass(frozen=True)
class Shortage:
    """Why a version was refused, in numbers."""

    device: str
    #: Bytes that it needs beyond those that are free for it.
    missing: int
    #: Who holds what would be free for it without them.
    held: tuple[Claim, ...] = ()

    def of(self, processes: Mapping[str, Set[int]]) -> "Shortage":
        """Return it with claims of these processes alone, by label: another server's are not ours.

        Versions of two servers may have the same label.
        """
        ours = tuple(one for one in self.held if one.pid in processes.get(one.label, ()))
        return replace(self, held=ours)

    @property
    def by_label(self) -> dict[str, int]:
        """What the end of each version would give back, in bytes."""
        found: dict[str, int] = {}
        for one in self.held:
            found[one.label] = found.get(one.label, 0) + one.bytes
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as hosts tell it."""
        held = [[one.label, one.pid, one.bytes] for one in self.held]
        return {"device": self.device, "missing": self.missing, "held": held}


def from_json(told: Mapping[str, Any] | None) -> Shortage | None:
    """Return what `Shortage.as_json` made this of; None of nothing."""
    if told is None:
        return None
    held: Sequence[Sequence[Any]] = told["held"]
    return Shortage(told["device"], told["missing"], tuple(Claim(*one) for one in held))


def size(count: int) -> str:
    """Return bytes as people read them: "1.5 GiB"."""
    mebibytes = count / (1 << 20)
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"
