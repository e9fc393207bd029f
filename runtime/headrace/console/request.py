"""A first request to a model, as a line for the shell."""

import json
import secrets
import shlex
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

from headrace.models import Tensor
from headrace.models.tensor import takes_one_file
from headrace.processing.pixel import PIXEL
from headrace.vocabulary import IMAGES

#: What stands for a size that is any.
ANY_SIZE: Final = 4
#: Above this a line is no longer a line: values go into a file.
MOST_ELEMENTS: Final = 64


def image_in(folder: Path) -> Path | None:
    """Return the first picture that lies in a model's folder or right below it."""
    found = [one for one in (*folder.glob("*"), *folder.glob("*/*")) if one.suffix in IMAGES]
    return min(found, default=None)


def pixel_in(scratch: Path) -> Path:
    """Write a picture, for a model in whose folder there is none."""
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "pixel.png"
    path.write_bytes(PIXEL)
    return path


def curl(
    http: str,
    model: str,
    inputs: Sequence[Tensor],
    *,
    image: Path | None,
    scratch: Path,
) -> str:
    """Return a curl line that works as it stands.

    Args:
        http: host:port of the gateway.
        model: the model's name.
        inputs: what it takes.
        image: a picture to send to a model that takes one.
        scratch: folder for a body that is too long for a line.
    """
    url = f"http://{http}/v2/models/{model}/infer"
    if image is not None and takes_one_file(inputs):
        kind = IMAGES[image.suffix]
        return f"curl -s {url} -H 'Content-Type: {kind}' --data-binary @{shlex.quote(str(image))}"
    if any(one.datatype in ("FP16", "BF16") for one in inputs):
        # JSON cannot say these; the headers and the body of one binary request can.
        return f"headrace infer {model}"
    return _curl_json(url, model, json_body(inputs), inputs, scratch)


def whole_sequence() -> dict[str, Any]:
    """Return the parameters of a sequence of one request, with an id that nobody else has."""
    # Every kind of id can be it, and a number of JSON.
    name = secrets.randbits(52) | 1
    return {"sequence_id": name, "sequence_start": True, "sequence_end": True}


def curl_for_sequence(http: str, model: str, inputs: Sequence[Tensor], scratch: Path) -> str:
    """Return such a line for a stateful model: a whole sequence, of one request."""
    url = f"http://{http}/v2/models/{model}/infer"
    body = {"parameters": whole_sequence(), **json_body(inputs)}
    return _curl_json(url, model, body, inputs, scratch)


def _curl_json(url: str, model: str, request: Any, inputs: Sequence[Tensor], scratch: Path) -> str:
    body = json.dumps(request, separators=(",", ":"))
    if sum(_elements(one) for one in inputs) > MOST_ELEMENTS:
        scratch.mkdir(parents=True, exist_ok=True)
        path = scratch / f"{model}.json"
        path.write_text(body)
        return f"curl -s {url} -d @{shlex.quote(str(path))}"
    return f"curl -s {url} -d {shlex.quote(body)}"


def curl_for_parts(http: str, model: str, inputs: Sequence[Tensor]) -> str:
    """Return such a line for a model that answers in parts; each is printed as it comes."""
    url = f"http://{http}/v2/models/{model}/generate_stream"
    return f"curl -sN {url} -d {shlex.quote(json.dumps(_in_short(inputs)))}"


def json_body(inputs: Sequence[Tensor], *, in_parts: bool = False) -> dict[str, Any]:
    """Return an infer request of one row with values made up."""
    return {
        "inputs": [
            {
                "name": one.name,
                "shape": [1, *_sizes(one)],
                "datatype": one.datatype,
                "data": _data(one, in_parts=in_parts),
            }
            for one in inputs
        ]
    }


def _in_short(inputs: Sequence[Tensor]) -> dict[str, Any]:
    """Return one row for the generate extension, which needs no shapes."""
    short = {}
    for one in inputs:
        flat = _data(one, in_parts=True)
        for size in reversed(_sizes(one)[1:]):
            flat = [flat[at : at + size] for at in range(0, len(flat), size)]
        short[one.name] = flat[0] if len(flat) == 1 else flat
    return short


def _data(tensor: Tensor, *, in_parts: bool) -> list[Any]:
    """Return a row's elements; one whole number may be how many parts are asked for: some."""
    flat = [_value(tensor.datatype, index) for index in range(_elements(tensor))]
    return [ANY_SIZE] if in_parts and flat == [0] and "INT" in tensor.datatype else flat


def _sizes(tensor: Tensor) -> list[int]:
    return [ANY_SIZE if size == -1 else size for size in tensor.shape]


def _elements(tensor: Tensor) -> int:
    return prod(_sizes(tensor))


def _value(datatype: str, index: int) -> Any:
    if datatype == "BYTES":
        return "headrace"
    if datatype == "BOOL":
        return index % 2 == 1
    return index % 8
