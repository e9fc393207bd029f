"""Triton's folders on Ray, each in hosts of its own."""

import shutil
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from tests.integration.conftest import Run, Serve

MODELS = Path(__file__).parents[1] / "triton" / "models"


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    repository = tmp_path_factory.mktemp("models")
    for name in ("add_sub", "repeat"):
        shutil.copytree(MODELS / name, repository / name)
    return serve(repository)


def tensor(name: str, array: Any, datatype: str) -> Any:
    sent = tritonclient.grpc.InferInput(name, list(array.shape), datatype)
    sent.set_data_from_numpy(array)
    return sent


def test_a_model_of_tritons_answers(run: Run) -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    with tritonclient.grpc.InferenceServerClient(run.grpc) as client:
        answer = client.infer("add_sub", [tensor("INPUT0", a, "FP32"), tensor("INPUT1", a, "FP32")])
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), a * 2)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), a - a)
    assert "add_sub/1 | good day, add_sub 1 on CPU" in run.said()


def test_a_decoupled_model_of_tritons_answers_in_parts(run: Run) -> None:
    came: Queue[Any] = Queue()
    with tritonclient.grpc.InferenceServerClient(run.grpc) as client:
        client.start_stream(lambda result, error: came.put(error or result.as_numpy("OUT").item()))
        client.async_stream_infer("repeat", [tensor("IN", np.array([20], np.int32), "INT32")])
        assert [came.get(timeout=30) for _ in range(20)] == list(range(20))
