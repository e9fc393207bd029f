"""Some of what callers sent, kept in private files for new versions to warm up with."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import Any, Final, Protocol

import numpy as np

from headrace.config.recording import Recording
from headrace.execution.samples import Sample, unlike
from headrace.models import Tensor
from headrace.vocabulary import numpy_dtype

#: Between two batches of a process that are kept: what is copied costs next to nothing then.
EVERY_S: Final = 1.0
#: The end of a file's name.
KIND: Final = ".npz"
#: And of one that is being written; who is killed then leaves it for so long.
BEGUN: Final = ".new"
LEFT_NS: Final = 60_000_000_000
#: Behind an input's name: the lengths of its elements, which are of BYTES.
SIZES: Final = "/sizes"


class Answered(Protocol):
    """A batch, until its callers have their answers; its inputs may be read also then."""

    @property
    def inputs(self) -> Mapping[str, Any]: ...
    @property
    def on_device(self) -> Sequence[Any]: ...


class Recorder:
    """Of one version in one process. Its lanes call `due`, and `keep` once callers are answered."""

    def __init__(
        self,
        folder: Path,
        wish: Recording,
        inputs: Sequence[Tensor],
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        """Keep nothing yet.

        Args:
            folder: of all versions of the model.
            wish: how much is kept.
            inputs: that callers send.
            clock: seconds that only grow.
            say: says a line in the version's log.
        """
        self._folder, self._wish, self._inputs = folder, wish, inputs
        self._clock, self._say = clock, say
        self._next = clock()
        #: Held while a batch is copied and written.
        self._busy = threading.Lock()

    def due(self, batch: Answered) -> Mapping[str, Any] | None:
        """Return what is to be kept of a batch that begins: nearly always None."""
        if self._clock() < self._next or batch.on_device:
            return None
        self._next = self._clock() + EVERY_S
        return batch.inputs

    def keep(self, inputs: Mapping[str, Any]) -> None:
        """Keep the first rows of these."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            if arrays := self._copied(inputs):
                writes = threading.Thread(target=self._write, args=(arrays,), name="records")
                writes.daemon = True
                writes.start()
                return
        except (MemoryError, RuntimeError) as error:
            # No more than this one is lost: there is no room for a copy, or for a thread.
            self._say(f"a batch is not recorded: {error}")
        self._busy.release()

    def _copied(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return as many of the rows as there is room for, in arrays of their own; or nothing."""
        rows = int(inputs[self._inputs[0].name].shape[0])
        left, fit = self._wish.max_bytes, 0
        while fit < rows:
            left -= sum(_row_bytes(inputs[one.name], fit, rows) for one in self._inputs)
            if left < 0:
                break
            fit += 1
        kept: dict[str, Any] = {}
        for one in self._inputs if fit else ():
            value = inputs[one.name]
            if one.datatype != "BYTES":
                kept[one.name] = value[:fit].view(_plain(one)).copy()
                continue
            count = len(value) // rows * fit
            elements = [bytes(value[at]) for at in range(count)]
            kept[one.name] = np.frombuffer(b"".join(elements), np.uint8)
            sizes = np.array([len(element) for element in elements], np.int64)
            kept[one.name + SIZES] = sizes.reshape(fit, *value.shape[1:])
        return kept

    def _write(self, arrays: Mapping[str, Any]) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._folder / f"{time_ns():020}-{os.getpid()}{KIND}"
            begun = file.with_suffix(BEGUN)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(begun, flags, 0o600), "wb") as out:
                np.savez(out, **arrays)
                out.flush()
                # Else a machine that goes out may leave a whole name without what is in it.
                os.fsync(out.fileno())
            begun.rename(file)
            for old in (*newest(self._folder)[self._wish.batches :], *_left(self._folder)):
                old.unlink(missing_ok=True)
        except OSError as error:
            self._say(f"no more is recorded: {error}")
            return  # and the lock stays held
        self._busy.release()


def newest(folder: Path) -> list[Path]:
    """Return the files of a model, the newest first."""
    return sorted(folder.glob(f"*{KIND}"), reverse=True)


def _left(folder: Path) -> list[Path]:
    """Return what processes have begun that are gone: none takes so long."""
    until = f"{time_ns() - LEFT_NS:020}"
    return [one for one in folder.glob(f"*{BEGUN}") if one.name < until]


def recorded(folder: Path, inputs: Sequence[Tensor]) -> Iterator[Sample]:
    """Yield what was kept of a model and fits these inputs, the newest first, as one asks on."""
    for file in newest(folder):
        if (found := _read(file, inputs)) is not None:
            yield found


def _read(file: Path, inputs: Sequence[Tensor]) -> Sample | None:
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
            arrays = {one.name: _array(one, kept) for one in inputs}
    except Exception:
        # Another version's inputs, or a file that is damaged, of which NumPy raises whatever its
        # readers of zip files, pickles and Python's literals do: it keeps no version from loading.
        return None
    return None if unlike(arrays, inputs) else Sample(arrays)


def _array(tensor: Tensor, kept: Mapping[str, Any]) -> Any:
    value = kept[tensor.name]
    if tensor.datatype != "BYTES":
        return value.view(numpy_dtype(tensor.datatype))
    sizes = kept[tensor.name + SIZES]
    ends = np.cumsum(sizes.ravel())
    whole = value.tobytes()
    elements = np.empty(sizes.size, dtype=object)
    for at, (end, size) in enumerate(zip(ends, sizes.ravel(), strict=True)):
        elements[at] = whole[end - size : end]
    return elements.reshape(sizes.shape)


def _plain(tensor: Tensor) -> Any:
    """Return what NumPy's files have for a datatype that they do not know."""
    return np.dtype(np.uint16) if tensor.datatype == "BF16" else numpy_dtype(tensor.datatype)


def _row_bytes(value: Any, row: int, rows: int) -> int:
    if hasattr(value, "nbytes"):
        return int(value.nbytes) // rows
    each = len(value) // rows
    return sum(len(value[at]) for at in range(row * each, (row + 1) * each))
