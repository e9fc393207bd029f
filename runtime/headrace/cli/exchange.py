"""One infer call over HTTP: its request, and what came back."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headrace.errors import HeadraceError
from headrace.execution.payload import Payload, PayloadInvalid, array
from headrace.models import Tensor
from headrace.vocabulary import numpy_dtype

#: Datatypes that JSON cannot say: they go over as bytes.
ONLY_BINARY = frozenset({"FP16", "BF16"})
HEADER_LENGTH = "inference-header-content-length"


class Broken(HeadraceError):
    """An answer in parts that ended with an error."""


@dataclass(frozen=True)
class Call:
    """A POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def call(
    http: str, path: str, payload: Payload, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Call:
    """Return the request that sends ``payload`` to ``http://HTTP/v2/PATH/infer``.

    Raises:
        PayloadInvalid: its picture cannot be read, or its text is none that JSON can say.
    """
    url = f"http://{http}/v2/{path}/infer"
    datatypes = {one.name: one.datatype for one in inputs}
    entries: list[dict[str, Any]] = []
    tail = b""
    if payload.media_type and payload.file is not None:
        picture = _read(payload.file)
        if not payload.parameters:
            return Call(url, {"Content-Type": payload.media_type}, picture)
        # Beside parameters a picture is what it is to the protocol: an element of BYTES.
        (only,) = inputs
        tail = struct.pack("<I", len(picture)) + picture
        entries.append(_binary(only.name, [1] * (1 + len(only.shape)), only.datatype, tail))
    for name, values in payload.arrays.items():
        shape, datatype = list(values.shape), datatypes.get(name, "")
        if datatype in ONLY_BINARY:
            raw = np.ascontiguousarray(values).tobytes()
            entries.append(_binary(name, shape, datatype, raw))
            tail += raw
        else:
            data = [_text(one) for one in values.ravel().tolist()]
            entries.append({"name": name, "shape": shape, "datatype": datatype, "data": data})
    request: dict[str, Any] = {"inputs": entries}
    if payload.parameters:
        request["parameters"] = dict(payload.parameters)
    if any(one.datatype in ONLY_BINARY for one in outputs):
        request["outputs"] = [
            {"name": one.name, "parameters": {"binary_data": one.datatype in ONLY_BINARY}}
            for one in outputs
        ]
    head = json.dumps(request, separators=(",", ":")).encode()
    if not tail:
        return Call(url, {"Content-Type": "application/json"}, head)
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Call(url, headers, head + tail)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PayloadInvalid(f"{file} cannot be read: {error.strerror}") from error


def _binary(name: str, shape: list[int], datatype: str, raw: bytes) -> dict[str, Any]:
    """Return an input whose elements are behind the header."""
    size = {"binary_data_size": len(raw)}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": size}


def call_for_parts(
    http: str, path: str, payload: Payload, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> Call:
    """Return the request that sends ``payload`` to ``http://HTTP/v2/PATH/generate_stream``.

    Raises:
        PayloadInvalid: that takes one row of what JSON can say, and this is not it.
    """
    wrong = ""
    if payload.media_type:
        wrong = f"{payload.file} is a picture"
    for one in (*inputs, *outputs):
        if one.datatype in ONLY_BINARY:
            wrong = f"{one.name!r} is {one.datatype}"
    for name, values in payload.arrays.items():
        if len(values) != 1:
            wrong = f"{payload.file} has {len(values)} rows of input {name!r}"
    if wrong:
        raise PayloadInvalid(
            f"{wrong}, but parts come over HTTP for one row, as JSON: `--show python` prints a "
            "client for gRPC, which has neither bound"
        )
    row = {name: _nested(values[0]) for name, values in payload.arrays.items()}
    body = json.dumps(row, separators=(",", ":")).encode()
    return Call(
        f"http://{http}/v2/{path}/generate_stream", {"Content-Type": "application/json"}, body
    )


def part(line: bytes) -> dict[str, Any] | None:
    """Return the part that a line of server-sent events holds; None where it holds none.

    Raises:
        Broken: the answer ends here with an error.
    """
    name, _, data = line.partition(b":")
    if name != b"data":
        return None
    found: dict[str, Any] = json.loads(data)
    if "error" in found and "model_name" not in found:
        raise Broken(found["error"])
    return found


def answer(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return an answer as JSON would have it, binary outputs included."""
    length = int(headers.get(HEADER_LENGTH, len(body)))
    found: dict[str, Any] = json.loads(body[:length])
    at = length
    for output in found.get("outputs", []):
        size = output.get("parameters", {}).pop("binary_data_size", None)
        if size is not None:
            raw, at = body[at : at + size], at + size
            output["data"] = _values(output["datatype"], raw)
        if not output.get("parameters", True):
            del output["parameters"]
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return an answer as a person reads it: an output a line."""
    version = found.get("model_version")
    told = [f"{found.get('model_name')}" + (f"/{version}" if version else "")]
    for one in found.get("outputs", []):
        values = array(Tensor(one["name"], one["datatype"], []), one["data"])
        text = np.array2string(
            values.reshape(one["shape"]), separator=", ", threshold=64, precision=6
        )
        told.append(f"{one['name']} {one['datatype']}{one['shape']}: {text}")
    return told


def part_line(found: Mapping[str, Any], outputs: Sequence[Tensor]) -> str:
    """Return a part as a person reads it: its outputs one behind the other."""
    return ", ".join(f"{one.name}: {_short(one, found[one.name])}" for one in outputs)


def _short(tensor: Tensor, value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return np.array2string(array(tensor, value), separator=", ", threshold=64, precision=6)


def _nested(row: Any) -> Any:
    """Return a row as JSON says it, for the generate extension: text where it is bytes."""
    if isinstance(row, np.ndarray) or hasattr(row, "tolist"):
        row = row.tolist()
    return [_nested(one) for one in row] if isinstance(row, list) else _text(row)


def _values(datatype: str, raw: bytes) -> list[Any]:
    if datatype != "BYTES":
        values: list[Any] = np.frombuffer(raw, numpy_dtype(datatype)).astype(object).tolist()
        return [float(one) for one in values] if datatype in ONLY_BINARY else values
    found, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("<I", raw, at)
        found.append(raw[at + 4 : at + 4 + size].decode(errors="replace"))
        at += 4 + size
    return found


def _text(value: Any) -> Any:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise PayloadInvalid(
            f"an element of BYTES is no UTF-8, which JSON cannot say ({error}): `--show python` "
            "prints a client that sends it"
        ) from error
