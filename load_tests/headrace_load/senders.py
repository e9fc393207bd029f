"""Sends inferences that were written once, over HTTP or gRPC; tells what answers say of time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from headrace_load.target import Target

#: Answers that say why there is none, shown in full up to here.
MOST_SHOWN: Final = 200


@dataclass(frozen=True)
class Request:
    """One inference: name → datatype and data of each input."""

    model: str
    inputs: Mapping[str, tuple[str, np.ndarray]]
    #: Of the protocol: `timeout` in microseconds, `priority` from 1, the highest.
    parameters: Mapping[str, int]
    #: HTTP: tensors as bytes behind the JSON, rather than in it.
    binary: bool = True


@dataclass(frozen=True)
class Stages:
    """What a server says of the way of a request through it. Times in milliseconds."""

    queue_ms: float
    compute_ms: float
    batch_rows: int


class Refused(Exception):
    """The server answered with an error; ``str`` begins with its code."""


class Sender(Protocol):
    """Sends the request of this number, in turns; returns what the answer says of its stages."""

    def __call__(self, number: int) -> Stages | None: ...


def sender(target: Target, requests: Sequence[Request], *, most: int, timeout_s: float) -> Sender:
    """Return what sends ``requests`` in turns, over ``most`` connections at most (HTTP).

    An answer is waited for ``timeout_s`` at most.
    """
    make = _grpc if target.protocol == "grpc" else _http
    return make(target, requests, most, timeout_s)


def _http(target: Target, requests: Sequence[Request], most: int, timeout_s: float) -> Sender:
    from geventhttpclient import HTTPClient

    client = HTTPClient(
        target.host,
        target.port,
        concurrency=most,
        connection_timeout=timeout_s,
        network_timeout=timeout_s,
    )
    written = [_write_http(request) for request in requests]

    def send(number: int) -> Stages | None:
        path, body, headers = written[number % len(written)]
        answer = client.post(path, body=body, headers=headers)
        said = bytes(answer.read())
        if answer.status_code != 200:
            raise Refused(f"{answer.status_code} {_why(said)}")
        return _stages(answer.get)

    return send


def _write_http(request: Request) -> tuple[str, bytes, dict[str, str]]:
    import tritonclient.http as http

    inputs = []
    for name, (datatype, data) in request.inputs.items():
        one = http.InferInput(name, list(data.shape), datatype)
        one.set_data_from_numpy(data, binary_data=request.binary)
        inputs.append(one)
    body, length = http.InferenceServerClient.generate_request_body(
        inputs,
        priority=request.parameters.get("priority", 0),
        timeout=request.parameters.get("timeout"),
    )
    headers = {"content-type": "application/octet-stream", "x-headrace-timing": "1"}
    if length is not None:
        headers["inference-header-content-length"] = str(length)
    return f"/v2/models/{request.model}/infer", bytes(body), headers


def _why(said: bytes) -> str:
    try:
        why = json.loads(said)["error"]
    except (ValueError, KeyError, TypeError):
        why = said.decode("utf-8", "replace")
    return str(why)[:MOST_SHOWN]


def _stages(header: Any) -> Stages | None:
    rows = header("x-headrace-batch-rows")
    if rows is None:
        return None
    return Stages(
        float(header("x-headrace-queue-ms")), float(header("x-headrace-compute-ms")), int(rows)
    )


def _grpc(target: Target, requests: Sequence[Request], most: int, timeout_s: float) -> Sender:
    import grpc
    import grpc.experimental.gevent
    from tritonclient.grpc import service_pb2_grpc

    grpc.experimental.gevent.init_gevent()
    channel = grpc.insecure_channel(
        target.address,
        options=[
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.use_local_subchannel_pool", 1),
        ],
    )
    infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
    written = [_write_grpc(request) for request in requests]
    metadata = (("x-headrace-timing", "1"),)

    def send(number: int) -> Stages | None:
        message = written[number % len(written)]
        try:
            _, call = infer.with_call(message, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise Refused(f"{error.code().name} {error.details()[:MOST_SHOWN]}") from error
        return _stages(dict(call.initial_metadata()).get)

    return send


def _write_grpc(request: Request) -> Any:
    from tritonclient.grpc import service_pb2
    from tritonclient.utils import serialize_byte_tensor

    message = service_pb2.ModelInferRequest(model_name=request.model)
    for name, value in request.parameters.items():
        message.parameters[name].int64_param = value
    for name, (datatype, data) in request.inputs.items():
        message.inputs.add(name=name, datatype=datatype, shape=data.shape)
        if datatype == "BYTES":
            raw = serialize_byte_tensor(data).item() if data.size else b""
        elif datatype == "BF16":
            # The upper half of a float.
            raw = (data.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        else:
            raw = data.tobytes()
        message.raw_input_contents.append(raw)
    return message
