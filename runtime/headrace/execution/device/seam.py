"""What lanes need of a device."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from headrace.execution.device.regions import Part, Region


class Lane(Protocol):
    """One thread's work on the device, which is done in the order in which it was begun.

    Different lanes' work is done at the same time, but where it says `follow`.
    """

    #: The device goes on by itself while the thread does something else.
    is_apart: bool

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Held from `follow` to `lead`: two that followed one batch would be computed at once."""

    def using(self) -> AbstractContextManager[object]:
        """Make it what libraries use in the calling thread: PyTorch's current stream."""

    def upload(self, name: str, array: Any) -> Any:
        """Return the input ``name`` as PyTorch's tensor on the device; its copy is begun.

        ``array`` must stay as it is until `wait` has returned.

        Raises:
            TypeError: it is of BYTES, for which PyTorch has no type.
        """

    def follow(self) -> None:
        """Let what comes next begin when the device has done the batch before, of any lane."""

    def lead(self) -> None:
        """End a batch: the next one, of any lane, may begin behind what was begun here."""

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arrays in the host's memory, which hold the outputs once `wait` has returned."""

    def open(self, region: Region) -> Any:
        """Return a caller's memory on this device, for `gather` and `write`.

        Raises:
            RegionUnfit: it is on another device, or its handle does not open.
        """

    def gather(self, name: str, array: Any, parts: Sequence[Part]) -> Any:
        """Return an input as `upload` does, whose rows lie in ``parts``, or else in ``array``.

        Both must stay as they are until `wait` has returned.
        """

    def write(self, value: Any, part: Part) -> int | None:
        """Begin to copy the rows of an output to their caller; done once `wait` has returned.

        Returns how many bytes they have where those are more than have room; nothing is written.
        """

    def blank(self, value: Any) -> Any:
        """Return zeros in the host's memory like an output of which nobody there has a row."""

    def wait(self) -> None:
        """Block until all that was begun is done.

        Raises:
            DeviceLost: the device does nothing any more for this process.
        """


class Device(Protocol):
    """What the lanes of a version compute on."""

    #: ``"cpu"`` or ``"cuda:0"``.
    name: str
    #: As its lanes: batches are on their way to it, and back, while it computes another one.
    is_apart: bool

    def lane(self) -> Lane:
        """Return a lane for one thread."""

    def lend(self, count: int) -> Any:
        """Return ``count`` bytes that it copies from by itself: uint8 ``[count]``, zeros or not.

        None where there are none to be had, which is slower and no error.
        """
