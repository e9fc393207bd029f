"""Whether a version may have of a device what it needs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.errors import ModelBroken
from headrace.models.shortage import Claim, Shortage, size


@dataclass(frozen=True)
class Gpu:
    """A device, as its driver tells of it at this moment."""

    uuid: str
    total_bytes: int
    #: Of all processes, Headrace's and others'.
    free_bytes: int


@dataclass(frozen=True)
class Need:
    """What a version will take."""

    label: str
    bytes: int
    #: How that is known, such as "measured here before with batches of 64 rows".
    known: str


@dataclass(frozen=True)
class Room:
    """What there is for one version on its device."""

    gpu: Gpu
    #: Of the device that is for its process, where it is less than 1.
    share: float
    #: Of other versions there. What they have not taken yet is theirs all the same.
    claims: Sequence[Claim]
    #: Its process, in which there may be others of them.
    pid: int

    def refusal(self, need: Need) -> str:
        """Return why the version cannot be loaded, with the numbers; nothing where it can."""
        gpu = self.gpu
        amount = size(need.bytes) if need.bytes > 1 else "an unknown amount"
        told = f"{need.label} takes {amount} of {gpu.uuid} ({need.known})"
        if beyond := self._beyond_share(need.bytes):
            return told + beyond
        claimed = sum(one.bytes for one in self.claims)
        free = self._free
        if need.bytes <= free:
            return ""
        holders = [f"{one.label} {size(one.bytes)} (process {one.pid})" for one in self.claims]
        if (others := gpu.total_bytes - gpu.free_bytes - claimed) > 0:
            holders.append(f"other programs {size(others)}")
        return (
            f"{told}, and {size(max(0, free))} of {size(gpu.total_bytes)} are free: "
            f"{', '.join(holders) or 'nobody'} has the rest. Stop one of them, lower "
            "batching.max_rows, or give it another GPU"
        )

    def shortage(self, need: Need) -> Shortage:
        """Return what a version that is refused lacks, and who holds it."""
        beside, beyond = self._beside, need.bytes - int(self.share * self.gpu.total_bytes)
        if self._beyond_share(need.bytes):
            missing = beyond + sum(one.bytes for one in beside)
            return Shortage(self.gpu.uuid, missing, tuple(beside))
        return Shortage(self.gpu.uuid, need.bytes - self._free, tuple(self.claims))

    def overrun(self, label: str, taken: int) -> str:
        """Return why a version that has taken so much cannot stay; nothing where it can."""
        beyond = self._beyond_share(taken)
        if not beyond:
            return ""
        return f"{label} took {size(taken)} of {self.gpu.uuid} as it warmed up{beyond}"

    @property
    def _free(self) -> int:
        """What nobody has, nor is about to have; less than nothing where that is too much."""
        claimed = sum(one.bytes for one in self.claims)
        return min(self.gpu.free_bytes, self.gpu.total_bytes - claimed)

    @property
    def _beside(self) -> list[Claim]:
        """What others in the same process have."""
        return [one for one in self.claims if one.pid == self.pid]

    def _beyond_share(self, count: int) -> str:
        """Return the end of a sentence about more than is for the process."""
        if self.share >= 1:
            return ""
        allowed, beside = int(self.share * self.gpu.total_bytes), self._beside
        if count + sum(one.bytes for one in beside) <= allowed:
            return ""
        held = "".join(f", of which {one.label} has {size(one.bytes)}" for one in beside)
        return (
            f", and placement.gpus {self.share:g} is {size(allowed)} of "
            f"{size(self.gpu.total_bytes)}{held}: raise it, or lower batching.max_rows"
        )


class NoRoom(ModelBroken):
    """A version needs more of a device than is free for it."""

    def __init__(self, why: str, shortage: Shortage) -> None:
        super().__init__(why, shortage)
        self.shortage = shortage

    def __str__(self) -> str:
        return str(self.args[0])
