"""What a model takes and gives, by Triton: `input`, `output`, `batch_input`, `batch_output`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace.config.triton.finding import (
    Finding,
    Key,
    Verdict,
    differs,
    left_out,
    refused,
)
from headrace.vocabulary import DATATYPES

#: What is said of every tensor together.
DECLARED: Final = ("name", "data_type", "dims")
#: What runs the model → who says what its tensors are, where model.yaml does not.
OWNERS: Final = {
    "python": (Verdict.TAKEN, "the class declares it"),
    "triton_python": (Verdict.TAKEN, ""),
    "onnx": (Verdict.DIFFERS, "model.onnx declares it: shape and datatype are those of the file"),
}
#: A tensor's other fields: what becomes of them.
OTHERS: Final = {
    "format": (Verdict.LEFT_OUT, "dims say what is sent; the class knows how its axes are ordered"),
    "reshape": (
        Verdict.LEFT_OUT,
        "callers see dims with Triton, too; the class reshapes as its model wants it",
    ),
    "is_shape_tensor": (Verdict.REFUSED, "every tensor has rows of its own here"),
    "optional": (Verdict.REFUSED, "every request brings every input"),
    "is_non_linear_format_io": (Verdict.LEFT_OUT, "of TensorRT's memory"),
    "label_filename": (
        Verdict.LEFT_OUT,
        "who asks for classes is told that they are not served: give labels as an output of BYTES",
    ),
}
NO_ROWS: Final = (
    "without it Triton's callers send tensors that have no axis of rows, which all have here: "
    "write how many rows a batch may have, or 1, and leave that axis out of dims; callers then "
    "send [rows, *dims]"
)
COMPLETED: Final = (
    "Triton completes what is not said from the file, with 4 rows a batch; here it is "
    "batching.max_rows, 64 unless written"
)
APART: Final = "each request has arrays of its own, whose shapes say what there is"
#: What runs models whose tensors have no axis of rows.
UNBATCHED: Final = ("triton_python", "onnx", "torchscript")
UNBATCHED_TEXT: Final = "callers send dims as they are, and each request runs by itself"
#: What runs the model → why a `reshape` cannot be.
RESHAPED: Final = {
    "onnx": "callers see the shape of model.onnx here",
    "triton_python": "the class sees what callers send: write its shape as dims",
    "torchscript": "the program sees what callers send: write its shape as dims",
}
#: Kind of a batch input → what a class has instead.
KINDS: Final = {
    "BATCH_ELEMENT_COUNT": "the differences of batch.offsets",
    "BATCH_ACCUMULATED_ELEMENT_COUNT": "batch.offsets without the first, which is 0",
    "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO": "batch.offsets",
    "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": "the largest difference of batch.offsets",
    "BATCH_ITEM_SHAPE": "the differences of batch.offsets, and the rest of the shape",
    "BATCH_ITEM_SHAPE_FLATTEN": "the differences of batch.offsets, and the rest of the shape",
}


@dataclass(frozen=True)
class Declared:
    """An input or output as a class declares it, without the axis of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def facts(self) -> dict[str, Any]:
        """Return it as model.yaml has it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}

    @property
    def line(self) -> str:
        """How a class writes it."""
        return f"Tensor({self.name!r}, {self.datatype!r}, {list(self.shape)})".replace("'", '"')


def declared(given: Any, side: str, backend: str) -> list[Declared]:
    """Return the tensors of one side, as far as they can be declared."""
    drop = 1 if backend not in UNBATCHED and _leads_with_one(given) else 0
    return [
        Declared(one.name, datatype(one), tuple(one.dims[drop:]))
        for one in getattr(given, side)
        if not _unfit(one)
    ]


def tensors(given: Any, backend: str) -> Iterator[Finding]:
    """Yield what becomes of inputs and outputs.

    Args:
        given: the configuration.
        backend: what runs the model.
    """
    yield from _rows(given, backend)
    for side in ("input", "output"):
        entries = [one.facts() for one in declared(given, side, backend)]
        names: set[str] = set()
        for at, one in enumerate(getattr(given, side)):
            field = f"{side}[{at}]"
            why = _unfit(one) or f"{one.name!r} is the name of another one" * (one.name in names)
            names.add(one.name)
            if why:
                yield Finding(field, Verdict.REFUSED, why, parts=DECLARED)
                continue
            first: dict[Key, Any] = {(f"{side}s",): entries}
            in_yaml = (Verdict.TAKEN, f"with {side}[0]" if at else "")
            verdict, text = OWNERS.get(backend, in_yaml)
            settings = {} if at or backend in OWNERS else first
            yield Finding(field, verdict, text, settings, DECLARED)
            for other, _ in one.ListFields():
                if backend in RESHAPED and other.name == "reshape":
                    yield refused(f"{field}.reshape", RESHAPED[backend])
                elif other.name in OTHERS:
                    yield Finding(f"{field}.{other.name}", *OTHERS[other.name])
    yield from _apart(given) if backend == "triton_python" else _ragged(given)


def _rows(given: Any, backend: str) -> Iterator[Finding]:
    """Yield what becomes of `max_batch_size` where there is none."""
    # A pipeline has the rows of its steps, and is refused as a whole.
    if given.max_batch_size == 0 and not given.HasField("ensemble_scheduling"):
        if backend == "onnx" and not (given.input or given.output):
            yield differs("max_batch_size (0)", COMPLETED)
        elif backend in UNBATCHED:
            # Requests that are answered in parts share no arrays, and need not be alone.
            alone = not given.model_transaction_policy.decoupled
            settings: dict[Key, Any] = {("batching", "unbatched"): True}
            rows: dict[Key, Any] = {("batching", "max_rows"): 1} if alone else {}
            yield Finding("max_batch_size (0)", Verdict.TAKEN, UNBATCHED_TEXT, settings | rows)
        elif _leads_with_one(given):
            why = "the leading 1 of all dims is the axis of rows"
            yield differs("max_batch_size (0)", why, {("batching", "max_rows"): 1})
        else:
            yield refused("max_batch_size (0)", NO_ROWS)


def _apart(given: Any) -> Iterator[Finding]:
    """Yield what becomes of rows of different sizes where each request has arrays of its own."""
    for at, one in enumerate(given.input):
        if one.allow_ragged_batch:
            yield left_out(f"input[{at}].allow_ragged_batch", APART)
    for side in ("batch_input", "batch_output"):
        for at, _ in enumerate(getattr(given, side)):
            yield refused(f"{side}[{at}]", APART)


def _ragged(given: Any) -> Iterator[Finding]:
    """Yield what becomes of rows of different sizes."""
    joined = set()
    for at, one in enumerate(given.input):
        if not one.allow_ragged_batch:
            continue
        field = f"input[{at}].allow_ragged_batch"
        if given.model_transaction_policy.decoupled:
            yield left_out(field, "requests that are answered in parts have arrays of their own")
        elif datatype(one) == "BYTES":
            yield refused(field, "BYTES have lengths of their own, and are not joined")
        elif _free(one) != [0]:
            yield refused(
                field,
                "ragged rows are put one behind the other along their first axis, which has to be "
                f"the only one of any size (-1): dims are {list(one.dims)}; batching.join can pad",
            )
        else:
            joined.add(one.name)
            yield differs(
                field,
                "the model sees [sum, *rest] and not flat elements; batch.offsets says where each "
                "row begins",
                {("batching", "join", one.name): "ragged"},
            )
    for at, one in enumerate(given.batch_input):
        kind = type(one).Kind.Name(one.kind)
        yield left_out(f"batch_input[{at}]", f"the class has {KINDS.get(kind, 'batch.offsets')}")
    outputs = {one.name: one for one in given.output}
    for at, one in enumerate(given.batch_output):
        field, sources = f"batch_output[{at}]", list(one.source_input)
        cut = [name for name in one.target_name if name in outputs and _free(outputs[name]) == [0]]
        if len(sources) == 1 and sources[0] in joined and cut == list(one.target_name):
            like: dict[Key, Any] = {("batching", "like", name): sources[0] for name in cut}
            yield Finding(field, Verdict.TAKEN, "", like, ("target_name", "kind", "source_input"))
        else:
            yield refused(
                field,
                "an output is cut like one ragged input, and both have one axis of any size (-1), "
                "the first one",
            )


def _leads_with_one(given: Any) -> bool:
    """Return whether there is an axis of rows where `max_batch_size` says that there is none."""
    both = [*given.input, *given.output]
    ones = all(one.dims and one.dims[0] == 1 for one in both)
    return given.max_batch_size == 0 and bool(both) and ones


def _unfit(one: Any) -> str:
    if not one.name:
        return "it has no name"
    if datatype(one) not in DATATYPES:
        return f"expected a data_type, not {datatype(one)}"
    wrong = [size for size in one.dims if size < 1 and size != -1]
    return f"dims: {wrong[0]} is neither a positive size nor -1 (any size)" if wrong else ""


def datatype(one: Any) -> str:
    """Return the datatype of what has a `data_type`; INVALID where there is none."""
    enum = one.DESCRIPTOR.fields_by_name["data_type"].enum_type
    word = str(enum.values_by_number[one.data_type].name).removeprefix("TYPE_")
    return "BYTES" if word == "STRING" else word


def _free(one: Any) -> list[int]:
    return [axis for axis, size in enumerate(one.dims) if size == -1]
