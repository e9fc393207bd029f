"""MLflow's signature as tensors with an implied axis of rows. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.errors import ModelInvalid
from headrace.models import Tensor

#: MLflow's word for the type of a column → ours.
COLUMNS: Final[dict[str, str]] = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
    "string": "BYTES",
    "binary": "BYTES",
}
#: Other types of columns → what to do about them.
UNSERVED: Final[dict[str, str]] = {
    "datetime": "send it as string or as long, and convert it inside of the model",
    "array": "make the signature one of tensors, from NumPy arrays",
    "object": "give each of its properties a column",
    "map": "give each of its keys a column",
    "sparkml_vector": "make the signature one of tensors, from NumPy arrays",
    "any": "give the signature the type that is sent",
}
#: NumPy's name of a tensor's type → ours.
TENSORS: Final[dict[str, str]] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "str": "BYTES",
    "object": "BYTES",
}
#: How a model gets a signature.
LOG: Final = (
    "log the model with mlflow.models.infer_signature(inputs, model.predict(inputs)) as its "
    "signature"
)


@dataclass(frozen=True)
class Side:
    """All inputs of a model, or all outputs."""

    tensors: Sequence[Tensor]
    #: Each tensor is a column of a table; else it is an array.
    is_table: bool
    #: There is one, and MLflow has no name for it: ours is the side's.
    is_unnamed: bool
    #: Those of BYTES that are no text.
    binary: frozenset[str]


def side(which: str, told: str | None) -> Side:
    """Return what MLflow's schema says.

    Args:
        which: ``"input"`` or ``"output"``, the name of one that has none.
        told: the schema, as JSON.

    Raises:
        ModelInvalid: there is none, or something in it cannot be served.
    """
    specs: Sequence[Mapping[str, Any]] = json.loads(told) if told else ()
    if not specs:
        raise ModelInvalid(f"its signature says nothing of {which}s: {LOG}")
    names = [one.get("name") for one in specs]
    if None in names and len(names) > 1:
        raise ModelInvalid(
            f"its signature has {len(names)} {which}s, not all of them with names: {LOG}, from "
            "tables or dicts that name them"
        )
    is_table = specs[0]["type"] != "tensor"
    read = _column if is_table else _tensor
    tensors = [read(f"{which} {_name(one, which)!r}", _name(one, which), one) for one in specs]
    binary = {_name(one, which) for one in specs if one["type"] == "binary"}
    return Side(tensors, is_table, names == [None], frozenset(binary))


def _name(spec: Mapping[str, Any], which: str) -> str:
    name = spec.get("name")
    return which if name is None else str(name)


def _column(who: str, name: str, spec: Mapping[str, Any]) -> Tensor:
    if spec["type"] not in COLUMNS:
        what = UNSERVED.get(spec["type"], "give it another type")
        raise ModelInvalid(
            f"{who} is a column of {spec['type']}; served are {', '.join(COLUMNS)}: {what}"
        )
    return _made(who, name, COLUMNS[spec["type"]], [])


def _tensor(who: str, name: str, spec: Mapping[str, Any]) -> Tensor:
    dtype, shape = spec["tensor-spec"]["dtype"], spec["tensor-spec"]["shape"]
    # A text of so many characters: <U5 is str160 in NumPy's words.
    kind = "str" if dtype.startswith("str") else dtype
    if kind not in TENSORS:
        raise ModelInvalid(f"{who} is a tensor of {dtype}; served are {', '.join(TENSORS)}")
    if not shape or shape[0] != -1:
        raise ModelInvalid(
            f"{who} has the shape {list(shape)}, whose first axis is that of rows: expected -1 "
            "there, which infer_signature writes for a batch of more than one"
        )
    return _made(who, name, TENSORS[kind], shape[1:])


def _made(who: str, name: str, datatype: str, shape: Sequence[int]) -> Tensor:
    try:
        return Tensor(name, datatype, shape)
    except ValueError as error:
        raise ModelInvalid(f"{who} of its signature: {error}") from error
