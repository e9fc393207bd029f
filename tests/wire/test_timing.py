"""Who asks how long the stages took is told, over both protocols alike; nobody else is."""

import json
import urllib.request
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

NAMES = {"x-headrace-queue-ms", "x-headrace-compute-ms", "x-headrace-batch-rows"}


def over_http(server: Any, headers: dict[str, str]) -> dict[str, str]:
    tensors = [
        {"name": name, "datatype": "INT32", "shape": [3, 4], "data": list(range(12))}
        for name in ("a", "b")
    ]
    request = urllib.request.Request(
        f"http://{server.http}/v2/models/pair/infer",
        json.dumps({"inputs": tensors}).encode(),
        {"Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return {name.lower(): value for name, value in reply.headers.items()}


def over_grpc(server: Any, metadata: dict[str, str]) -> dict[str, str]:
    message = service_pb2.ModelInferRequest(model_name="pair")
    for name in ("a", "b"):
        message.inputs.add(name=name, datatype="INT32", shape=[3, 4])
        message.raw_input_contents.append(np.arange(12, dtype=np.int32).tobytes())
    with grpc.insecure_channel(server.grpc) as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        _, call = infer.with_call(message, timeout=30, metadata=tuple(metadata.items()))
        return dict(call.initial_metadata())


def test_stages_are_told_to_who_asks(server: Any) -> None:
    for ask in (over_http, over_grpc):
        told = ask(server, {"x-headrace-timing": "1"})
        assert set(told) >= NAMES
        assert int(told["x-headrace-batch-rows"]) == 3
        assert float(told["x-headrace-queue-ms"]) >= 0
        assert 0 < float(told["x-headrace-compute-ms"]) < 30_000
        assert not NAMES & set(ask(server, {}))
