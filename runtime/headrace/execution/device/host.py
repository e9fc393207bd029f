"""The CPU, where nothing has to be brought."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from headrace.execution.device.regions import Part, Region, RegionUnfit
from headrace.models.batch import place_on
from headrace.models.host import on_host


class HostLane:
    """Computes in the calling thread, so that all is done when it has returned."""

    is_apart = False
    turn: AbstractContextManager[object] = nullcontext()

    def using(self) -> AbstractContextManager[object]:
        return nullcontext()

    def upload(self, name: str, array: Any) -> Any:
        return place_on("cpu")(name, array)

    def follow(self) -> None:
        """Do nothing: who is in the model is alone there."""

    def lead(self) -> None:
        """Do nothing."""

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: on_host(value) for name, value in outputs.items()}

    def open(self, region: Region) -> Any:
        """Refuse it.

        Raises:
            RegionUnfit: always; copies from a device and back are what such memory is to spare.
        """
        raise RegionUnfit("this version computes on the CPU, or without PyTorch")

    def gather(self, name: str, array: Any, parts: Sequence[Part]) -> Any:
        """Return what is here: of parts there are none."""
        return self.upload(name, array)

    def write(self, value: Any, part: Part) -> int | None:
        """Do nothing: of parts there are none."""
        return None

    def blank(self, value: Any) -> Any:
        return on_host(value)

    def wait(self) -> None:
        """Do nothing."""


class Host:
    """The machine's own memory and cores."""

    name = "cpu"
    is_apart = False

    def lane(self) -> HostLane:
        return HostLane()

    def lend(self, count: int) -> None:
        """Lend nothing: the core's own memory is as good."""
