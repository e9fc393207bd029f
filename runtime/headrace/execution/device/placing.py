"""The tensors of one batch that are in callers' memory on a device."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from headrace.execution.device.regions import Part, RegionUnfit, Span
from headrace.execution.device.seam import Lane
from headrace.models.batch import Rows, There


class PlacedRows(Rows, Protocol):
    """Rows of which some may be there."""

    @property
    def on_device(self) -> Sequence[Span]:
        """Where they are, or go: none overlap, and they are in the order of rows."""


class Out(Protocol):
    """Where outputs go besides the host's memory."""

    def write(self, returned: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin to copy outputs to callers; what is left is to be fetched."""


class Nowhere:
    """All of them are fetched."""

    def write(self, returned: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return them."""
        return returned


NOWHERE: Final = Nowhere()


class Placing:
    """Opens the regions that a batch names. A request whose region is unfit is refused alone."""

    def __init__(self, rows: PlacedRows, lane: Lane) -> None:
        self._rows, self._lane = rows, lane
        #: Of each input, and of each output.
        self._inputs: defaultdict[str, list[Part]] = defaultdict(list)
        self._outputs: defaultdict[str, list[Part]] = defaultdict(list)
        refused: set[int] = set()
        opened: list[tuple[Span, Part]] = []
        for span in rows.on_device:
            if span.row not in refused:
                try:
                    opened.append((span, self._opened(span)))
                except RegionUnfit as error:
                    refused.add(span.row)
                    self._refuse(span, f"its region cannot be used here: {error}")
        for span, part in opened:
            if span.row not in refused:
                (self._outputs if span.is_output else self._inputs)[span.name].append(part)

    def inputs(self) -> There | None:
        """Return inputs of which rows are there, on the device; their copies are begun."""
        if not self._inputs:
            return None
        gather, arrays = self._lane.gather, self._rows.inputs
        tensors = {name: gather(name, arrays[name], parts) for name, parts in self._inputs.items()}
        return There(tensors, self._read)

    def write(self, returned: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin to copy outputs to callers; what nobody else gets a row of is not fetched."""
        if not self._outputs:
            return returned
        left = dict(returned)
        for name, parts in self._outputs.items():
            if name not in returned:
                # The core says so of what a model forgot.
                continue
            for part in parts:
                self._write(name, returned[name], part)
            if sum(part.rows + part.repeated for part in parts) == self._rows.rows:
                left[name] = self._lane.blank(returned[name])
        return left

    def _opened(self, span: Span) -> Part:
        memory = self._lane.open(span.region)
        return Part(span.row, span.rows, span.repeated, span.offset, span.byte_size, memory)

    def _write(self, name: str, value: Any, part: Part) -> None:
        size = self._lane.write(value, part)
        if size is not None:
            said = f"shared memory size specified with the request for output '{name}'"
            least = f"should be at least {size} bytes to hold the results"
            self._rows.reject(part.row, f"{said} ({part.byte_size} bytes) {least}")

    def _refuse(self, span: Span, why: str) -> None:
        what = "output" if span.is_output else "input"
        self._rows.reject(span.row, f"{what} '{span.name}' is in memory of a device, and {why}")

    def _read(self, tensor: Any) -> Any:
        array = self._lane.fetch({"": tensor})[""]
        self._lane.wait()
        return array
