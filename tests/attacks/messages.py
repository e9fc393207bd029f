"""Requests for the models `identity` and `image`, as bytes."""

import json
import struct
from typing import Any, Final

from tritonclient.grpc import service_pb2

ELEMENTS: Final = 16
PATH: Final = "/v2/models/identity/infer"
IMAGE_PATH: Final = "/v2/models/image/infer"
IMAGE_SHAPE: Final = (1, 3, 224, 224)
IMAGE_BYTES: Final = 4 * 3 * 224 * 224
#: What a body may have, in Headrace's own settings.
MOST_BODY: Final = 64 << 20


def post(body: bytes, headers: str = "", path: str = PATH) -> bytes:
    """Return an HTTP/1 request with a body of known length; `headers` end in CRLF each."""
    return head(f"POST {path}", f"{headers}Content-Length: {len(body)}\r\n") + body


def head(line: str, headers: str = "") -> bytes:
    """Return the head of an HTTP/1 request."""
    return f"{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


LIVE: Final = head("GET /v2/health/live")


def tensor(data: list[Any] | None, **changes: Any) -> dict[str, Any]:
    """Return the input of `identity`."""
    one = {"name": "x", "shape": [1, ELEMENTS], "datatype": "FP32", "data": data} | changes
    return {key: value for key, value in one.items() if value is not None}


def good_json(values: list[float]) -> bytes:
    """Return a request as JSON."""
    return json.dumps({"inputs": [tensor(values)]}).encode()


def good() -> bytes:
    """Return any good request as JSON."""
    return good_json([0.5] * ELEMENTS)


def image(as_bytes: bool = True) -> tuple[str, bytes]:
    """Return headers and body of a request for `image`, answered in bytes or in JSON."""
    one = {"name": "x", "shape": IMAGE_SHAPE, "datatype": "FP32"}
    asked = {
        "inputs": [one | {"parameters": {"binary_data_size": IMAGE_BYTES}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": as_bytes}}],
    }
    text = json.dumps(asked).encode()
    return f"Inference-Header-Content-Length: {len(text)}\r\n", text + bytes(IMAGE_BYTES)


def call(raw: bytes, shape: tuple[int, ...] = (1, ELEMENTS), **changes: Any) -> bytes:
    """Return a ModelInferRequest of one input that travels raw."""
    request = service_pb2.ModelInferRequest(
        **({"model_name": "identity", "raw_input_contents": [raw]} | changes)
    )
    request.inputs.add(name="x", datatype="FP32", shape=shape)
    encoded: bytes = request.SerializeToString()
    return encoded


def good_call(values: list[float]) -> bytes:
    """Return a ModelInferRequest for `identity`."""
    return call(struct.pack(f"<{ELEMENTS}f", *values))


def image_call() -> bytes:
    """Return a ModelInferRequest for `image`."""
    return call(bytes(IMAGE_BYTES), IMAGE_SHAPE, model_name="image")


def values_of(answer: bytes) -> list[float]:
    """Return what a ModelInferResponse of `identity` holds."""
    response = service_pb2.ModelInferResponse.FromString(answer)
    return list(struct.unpack(f"<{ELEMENTS}f", response.raw_output_contents[0]))


def prefixed(message: bytes, flag: int = 0) -> bytes:
    """Return a message as gRPC frames it."""
    return bytes([flag]) + struct.pack(">I", len(message)) + message
