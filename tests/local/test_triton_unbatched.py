"""Models whose tensors have no axis of rows (`max_batch_size: 0`), asked by Triton's clients."""

import json
import shutil
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from onnx import helper
from tests.local.conftest import LocalServer, ready
from tests.local.test_triton_models import MODELS
from tests.onnx_files import graph, port
from tritonclient.utils import InferenceServerException

CLIENTS = [(triton_http, "http"), (triton_grpc, "grpc")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "plain", models / "plain")
    shutil.copytree(MODELS / "repeat", models / "repeat")
    product(models)
    script(models)
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        yield running


def product(models: Path) -> None:
    """A product of matrices, which is no row by row."""
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    made = graph([node], [port("a", [2, 3]), port("b", [3, 2])], [port("y", [2, 2])])
    folder = models / "product" / "1"
    folder.mkdir(parents=True)
    onnx.save(made, folder / "model.onnx")
    (folder.parent / "config.pbtxt").write_text(
        'platform: "onnxruntime_onnx"\n'
        'input { name: "a" data_type: TYPE_FP32 dims: [2, 3] }\n'
        'input { name: "b" data_type: TYPE_FP32 dims: [3, 2] }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: [2, 2] }\n'
    )


def script(models: Path) -> None:
    import torch

    class Total(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum().reshape(1)

    folder = models / "total" / "1"
    folder.mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.script(Total()).save(folder / "model.pt")
    (folder.parent / "config.pbtxt").write_text(
        'platform: "pytorch_libtorch"\n'
        'input { name: "INPUT__0" data_type: TYPE_FP32 dims: [-1, 2] }\n'
        'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [1] }\n'
    )


def ask(server: LocalServer, kit: Any, at: str, model: str, **inputs: Any) -> Any:
    sent = []
    for name, array in inputs.items():
        datatype = "BYTES" if array.dtype == np.object_ else "FP32"
        one = kit.InferInput(name, list(array.shape), datatype)
        one.set_data_from_numpy(array)
        sent.append(one)
    with kit.InferenceServerClient(getattr(server, at)) as client:
        return client.infer(model, sent)


def floats(*values: Any) -> Any:
    return np.array(values, np.float32)


@pytest.mark.parametrize(("kit", "at"), CLIENTS)
def test_what_is_sent_is_all_that_there_is(server: LocalServer, kit: Any, at: str) -> None:
    words = np.array([b"one", b"two", "dr\u00fc".encode()], np.object_)
    answer = ask(server, kit, at, "plain", INPUT0=floats(1, 2, 3, 4), TEXT=words)
    assert answer.as_numpy("SUM").tolist() == [2, 4, 6, 8]
    assert answer.as_numpy("WORDS").tolist() == [one.upper() for one in words]
    empty = ask(server, kit, at, "plain", INPUT0=floats(1, 2, 3, 4), TEXT=words[:0])
    assert empty.as_numpy("WORDS").shape == (0,)


@pytest.mark.parametrize(("kit", "at"), CLIENTS)
def test_a_graph_and_a_program_see_no_rows(server: LocalServer, kit: Any, at: str) -> None:
    a, b = floats([1, 2, 3], [4, 5, 6]), floats([1, 0], [0, 1], [1, 1])
    assert ask(server, kit, at, "product", a=a, b=b).as_numpy("y").tolist() == (a @ b).tolist()
    for count in (1, 5):
        x = np.ones((count, 2), np.float32)
        assert ask(server, kit, at, "total", INPUT__0=x).as_numpy("OUTPUT__0").tolist() == [
            2 * count
        ]


@pytest.mark.parametrize(("kit", "at"), CLIENTS)
def test_another_shape_is_refused_and_told_without_rows(
    server: LocalServer, kit: Any, at: str
) -> None:
    words = np.array([b"one"], np.object_)
    with pytest.raises(InferenceServerException, match=r"Expected \[4\], got \[1,4\]"):
        ask(server, kit, at, "plain", INPUT0=floats([1, 2, 3, 4]), TEXT=words)
    with pytest.raises(InferenceServerException, match="below zero"):
        ask(server, kit, at, "plain", INPUT0=floats(-1, 2, 3, 4), TEXT=words)


def test_metadata_say_so(server: LocalServer) -> None:
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        told = client.get_model_metadata("plain", as_json=True)
        assert [one["shape"] for one in told["inputs"]] == [["4"], ["-1"]]
        config = client.get_model_config("plain").config
        assert config.max_batch_size == 0
        assert not config.HasField("dynamic_batching")
    with triton_http.InferenceServerClient(server.http) as client:
        assert [one["shape"] for one in client.get_model_metadata("product")["inputs"]] == [
            [2, 3],
            [3, 2],
        ]
        http = client.get_model_config("product")
        assert http["max_batch_size"] == 0
        assert "dynamic_batching" not in http


def test_generate_takes_one_flat_object(server: LocalServer) -> None:
    body = json.dumps({"INPUT0": [1, 2, 3, 4], "TEXT": ["a", "b"]}).encode()
    asked = urllib.request.Request(f"http://{server.http}/v2/models/plain/generate", body)
    with urllib.request.urlopen(asked, timeout=30) as reply:
        said = json.loads(reply.read())
    assert (said["SUM"], said["WORDS"]) == ([2, 4, 6, 8], ["A", "B"])


def test_many_at_once_each_get_their_own(server: LocalServer) -> None:
    words = np.array([b"w"], np.object_)
    with triton_http.InferenceServerClient(server.http, concurrency=8) as client:
        asked = []
        for number in range(64):
            inputs = []
            for name, array, datatype in (
                ("INPUT0", np.full(4, number, np.float32), "FP32"),
                ("TEXT", words, "BYTES"),
            ):
                one = triton_http.InferInput(name, list(array.shape), datatype)
                one.set_data_from_numpy(array)
                inputs.append(one)
            asked.append(client.async_infer("plain", inputs))
        for number, one in enumerate(asked):
            assert one.get_result().as_numpy("SUM").tolist() == [2 * number] * 4
