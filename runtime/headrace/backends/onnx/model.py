"""A graph as a Model. ONNX Runtime is imported when one opens."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from headrace.backends.onnx.binding import INTERFACE, bound
from headrace.backends.onnx.providers import check_started, choose
from headrace.backends.onnx.signature import Port, signature, whole
from headrace.config.onnx import OnnxRuntime
from headrace.errors import ModelInvalid
from headrace.models import Batch, Context, Model, Tensor

FILE: Final = "model.onnx"
#: What ONNX Runtime says when there was no memory: its arena, C++, CUDA.
OUT_OF_MEMORY: Final = ("Failed to allocate memory", "std::bad_alloc", "out of memory")
#: Levels of ONNX Runtime's log, which goes to standard error past ours.
ERRORS, NOTHING = 3, 4


@dataclass(frozen=True)
class Uses:
    """What a session works with."""

    gpu: bool
    #: Runs at once.
    lanes: int
    #: Of one run; 0 are as many as there are cores, for it reads no variable.
    threads: int


class OnnxModel(Model):
    """Runs the graph of a file with its inputs by name; the file says what they are."""

    def __init__(
        self,
        file: Path,
        settings: OnnxRuntime,
        uses: Uses,
        *,
        has_rows: bool = True,
    ) -> None:
        """Open a session; without ``has_rows`` tensors have no axis of rows.

        Raises:
            ModelInvalid: ONNX Runtime is not installed, has no such provider, or the graph cannot
                be served. What ONNX Runtime raises of a file comes through.
        """
        ort = _library(file)
        chosen = choose(settings, ort.get_available_providers(), gpu=uses.gpu)
        if uses.gpu:
            # Finds what PyPI has of CUDA, where no path leads to it.
            ort.preload_dlls()
        # Where a provider fails it would begin again with the CPU, in the midst of serving, too.
        self._session = ort.InferenceSession(
            file, _options(ort, uses.threads), providers=chosen, enable_fallback=0
        )
        check_started([one for one, _ in chosen], self._session.get_providers())
        told = signature if has_rows else whole
        read = told(file, _ports(self._session.get_inputs()), _outputs(self._session))
        self.inputs, self.outputs = read.inputs, read.outputs
        self._one_by_one = read.one_by_one
        self._names = [one.name for one in self.outputs]
        # `run` is safe for any number of threads.
        self.concurrency = uses.lanes
        # What a run raises has the text of its log, too.
        self._quietly = ort.RunOptions()
        self._quietly.log_severity_level = NOTHING

    def load(self, context: Context) -> None:
        """Say what costs speed; all else is done."""
        if self._one_by_one:
            context.log.warning(
                "the first axes of %s are 1, so that the rows of a batch run one by one; exported "
                "with first axes of any size they would run at once",
                FILE,
            )

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Run the graph over the whole batch; neither inputs nor outputs are copied on the CPU."""
        feed = {one.name: _array(batch, one) for one in self.inputs}
        if self._one_by_one:
            return self._each_row(feed)
        return dict(zip(self._names, self._run(feed), strict=True))

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Know ONNX Runtime's errors by their text: their classes do not tell them apart."""
        of_ours = type(error).__module__.startswith("onnxruntime.")
        return super().is_out_of_memory(error) or (
            of_ours and any(words in str(error) for words in OUT_OF_MEMORY)
        )

    def _run(self, feed: Mapping[str, Any]) -> list[Any]:
        if any(hasattr(value, INTERFACE) for value in feed.values()):
            return bound(self._session, feed, self._names, self._quietly)
        results: list[Any] = self._session.run(self._names, feed, self._quietly)
        return results

    def _each_row(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        import numpy as np

        rows = range(len(next(iter(feed.values()))))
        runs = [
            self._run({name: array[row : row + 1] for name, array in feed.items()}) for row in rows
        ]
        whole = zip(*runs, strict=True)
        return {name: np.concatenate(parts) for name, parts in zip(self._names, whole, strict=True)}


def _library(file: Path) -> ModuleType:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise ModelInvalid(
            f"{file} needs ONNX Runtime, which is not installed: pip install 'headrace[onnx]'"
        ) from error
    return onnxruntime  # type: ignore[no-any-return]


def _options(ort: ModuleType, threads: int) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS
    options.intra_op_num_threads = threads
    # Cores are shared with sockets and with other versions: who waits sleeps.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # It would keep one for each shape that ever came.
    options.enable_mem_pattern = False
    return options


def _ports(given: Any) -> list[Port]:
    return [Port(one.name, one.type, one.shape) for one in given]


def _outputs(session: Any) -> list[Port]:
    return _ports(session.get_outputs())


def _array(batch: Batch, tensor: Tensor) -> Any:
    value = batch[tensor.name]
    return _texts(batch, tensor.name, value) if tensor.datatype == "BYTES" else value


def _texts(batch: Batch, name: str, elements: Any) -> Any:
    """Return elements as the texts that ONNX knows; rows with others are rejected."""
    import numpy as np

    texts = np.empty(len(elements), object)
    width = prod(elements.shape[1:])
    for at, one in enumerate(elements):
        try:
            texts[at] = str(one, "utf-8")
        except UnicodeDecodeError as error:
            batch.reject(at // width, f"input {name!r} is not UTF-8, which ONNX asks for: {error}")
            texts[at] = ""
    return texts.reshape(elements.shape)
