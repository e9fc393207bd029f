"""Inputs that a user has, read from a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from headrace.errors import HeadraceError
from headrace.models import Tensor
from headrace.models.tensor import takes_one_file
from headrace.vocabulary import IMAGES, numpy_dtype

_ADVICE: Final = "; write it with numpy.save(), of numbers and not of objects"


class PayloadInvalid(HeadraceError):
    """A file does not hold what the model takes."""


@dataclass(frozen=True)
class Payload:
    """Inputs of a request: a picture as it is, or arrays with the batch axis."""

    #: Where it was read; None when it was made up.
    file: Path | None
    #: Media type of a picture, which goes over as the whole body.
    media_type: str = ""
    arrays: Mapping[str, Any] = field(default_factory=dict)
    #: Of the request.
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, inputs: Sequence[Tensor]) -> Mapping[str, Any]:
        """Return its arrays; a picture is a row of the only one of ``inputs``."""
        if self.file is None or not self.media_type:
            return self.arrays
        (only,) = inputs
        row = np.array([self.file.read_bytes()], dtype=object)
        return {only.name: row.reshape(1, *only.shape)}


def read(file: Path, inputs: Sequence[Tensor], *, parameters: bool = True) -> Payload:
    """Return what ``file`` holds for a model that takes ``inputs``.

    Args:
        file: what to read.
        inputs: what the model takes.
        parameters: whether a request's may stand beside its inputs.

    Raises:
        PayloadInvalid: the file cannot be read, or is nothing for these inputs.
    """
    suffix = file.suffix.lower()
    if not file.is_file():
        raise PayloadInvalid(f"{file} is no file")
    if suffix in IMAGES:
        if not takes_one_file(inputs):
            raise PayloadInvalid(f"{file} is a picture, but the model takes {describe(inputs)}")
        return Payload(file, media_type=IMAGES[suffix])
    if suffix == ".npy":
        only = _only(file, inputs)
        return Payload(file, arrays={only.name: _checked(only, _load(file))})
    if suffix == ".json":
        arrays, given = _from_json(file, inputs, parameters=parameters)
        return Payload(file, arrays=arrays, parameters=given)
    raise PayloadInvalid(f"{file}: expected .json, .npy, {', '.join(IMAGES)}")


def array(tensor: Tensor, values: Any) -> Any:
    """Return ``values`` as an array of the tensor's datatype; BYTES are objects.

    Raises:
        PayloadInvalid: they are not of that datatype.
    """
    try:
        if tensor.datatype == "BYTES":
            return np.array(values, dtype=object)
        # A number that is too large for a float is infinite, without a warning of NumPy's.
        with np.errstate(over="ignore"):
            return np.array(values).astype(numpy_dtype(tensor.datatype))
    except (TypeError, ValueError, OverflowError) as error:
        raise PayloadInvalid(f"input {tensor.name!r} is of {tensor.datatype}: {error}") from error


def describe(inputs: Sequence[Tensor]) -> str:
    """Return inputs as a person writes them, such as ``x FP32[16]``."""
    return ", ".join(f"{one.name} {one.datatype}{list(one.shape)}" for one in inputs)


def _from_json(
    file: Path, inputs: Sequence[Tensor], *, parameters: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a request's inputs, and its parameters."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PayloadInvalid(f"{file}: {error}") from error
    if not isinstance(found, dict):
        only = _only(file, inputs)
        return {only.name: _from_values(file, only, found)}, {}
    if "inputs" in found and isinstance(found["inputs"], list):
        sent = {"inputs", "parameters"} if parameters else {"inputs"}
        # An id is for whoever asked, and is made anew.
        if more := sorted(found.keys() - sent - {"id"}):
            raise PayloadInvalid(
                f"{file} is a request with {', '.join(more)}, and only its "
                f"{' and '.join(sorted(sent))} would be sent: "
                f"take the rest out, or send all of it with curl -d @{file.name}"
            )
        given = found.get("parameters", {})
        if not isinstance(given, dict):
            raise PayloadInvalid(f"{file}: parameters should be an object of names and values")
        known = {one.name: one for one in inputs}
        entries = [_from_entry(file, one, known) for one in found["inputs"]]
        if sorted(name for name, _ in entries) != sorted(known):
            raise _other_names(file, [name for name, _ in entries], inputs)
        return dict(entries), given
    if found.keys() != {one.name for one in inputs}:
        raise _other_names(file, list(found), inputs)
    return {one.name: _from_values(file, one, found[one.name]) for one in inputs}, {}


def _other_names(file: Path, names: Sequence[str], inputs: Sequence[Tensor]) -> PayloadInvalid:
    has = ", ".join(names) or "no input"
    return PayloadInvalid(f"{file} has {has}; the model takes {describe(inputs)}")


def _from_values(file: Path, tensor: Tensor, values: Any) -> Any:
    """Return the array of values as JSON has them."""
    found = array(tensor, values)
    if tensor.datatype == "BYTES":
        wrong = next((one for one in found.ravel().tolist() if not isinstance(one, str)), None)
        if wrong is not None or values is None:
            raise PayloadInvalid(
                f"{file}: input {tensor.name!r} is of BYTES: expected texts in lists of equal "
                f"lengths, not {json.dumps(wrong)[:40]}"
            )
    return found


def _from_entry(file: Path, entry: Any, known: Mapping[str, Tensor]) -> tuple[str, Any]:
    """Return name and array of one of a request's inputs."""
    if not isinstance(entry, dict) or not entry.keys() >= {"name", "shape", "data"}:
        raise PayloadInvalid(f"{file}: each of inputs should have name, shape, datatype and data")
    name = str(entry["name"])
    if name not in known:
        raise PayloadInvalid(f"{file} has {name}; the model takes {describe(list(known.values()))}")
    datatype = entry.get("datatype", known[name].datatype)
    if datatype != known[name].datatype:
        raise PayloadInvalid(
            f"{file}: input {name!r} says datatype {datatype}; the model takes "
            f"{known[name].datatype}"
        )
    shape, values = entry["shape"], _from_values(file, known[name], entry["data"])
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise PayloadInvalid(
            f"{file}: input {name!r}: expected a shape like {[1, *known[name].shape]}, not "
            f"{json.dumps(shape)[:40]}"
        )
    if prod(shape) != values.size:
        raise PayloadInvalid(
            f"{file}: input {name!r} has {values.size} values, and its shape {shape} needs "
            f"{prod(shape)}: correct the one or the other"
        )
    return name, values.reshape(shape)


def _load(file: Path) -> Any:
    try:
        found = np.load(file)
    except Exception as error:
        # NumPy has no one error for what it cannot read, and a broken header can raise anything.
        raise PayloadInvalid(f"{file} cannot be read as a .npy array: {error}{_ADVICE}") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise PayloadInvalid(f"{file} holds several arrays{_ADVICE}")
    return found


def _only(file: Path, inputs: Sequence[Tensor]) -> Tensor:
    if len(inputs) != 1:
        raise PayloadInvalid(
            f"{file} holds values for one input, but the model takes {describe(inputs)}: "
            "write JSON that maps each name to its values"
        )
    return inputs[0]


def _checked(tensor: Tensor, given: Any) -> Any:
    if tensor.datatype == "BYTES":
        if given.dtype.kind not in "SU":
            raise PayloadInvalid(
                f"input {tensor.name!r} is BYTES, but the file holds {given.dtype}: save an array "
                "of str or bytes"
            )
        return given.astype(object)
    wanted = numpy_dtype(tensor.datatype)
    # bfloat16 is saved by NumPy as two raw bytes.
    if given.dtype.kind == "V" and given.dtype.itemsize == wanted.itemsize:
        return given.view(wanted)
    if given.dtype != wanted:
        raise PayloadInvalid(
            f"input {tensor.name!r} is {tensor.datatype}, but the file holds {given.dtype}: "
            f"save it with .astype({str(wanted)!r})"
        )
    return given
