"""Graphs in a server of one process, and a model of Triton's."""

import io
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from PIL import Image
from tests.local.conftest import PATIENCE_S, LocalServer, ready, start
from tests.local.test_serving import runs, until
from tests.onnx_files import STRING, brightest, counter, doubler, identity, lookup, write
from tritonclient.utils import InferenceServerException

from headrace.cli import checking, converting

#: From files of pictures to the name of their brightest colour.
STEPS = """
preprocess:
  - preprocess_images: {input: file, output: pixels, height: 2, width: 2, divide_by: 255}
postprocess:
  - softmax_top_k: {input: score, probabilities: share, classes: colour, k: 1}
  - labels: {input: colour, output: name, file: colours.txt}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    write(models, "doubler", doubler(), "placement: {lanes: 2}")
    write(models, "lookup", lookup(), "batching: {max_delay_ms: 50}")
    write(models, "text", identity(STRING), "batching: {max_rows: 4, allowed_rows: [4]}")
    write(models, "broken", b"no graph")
    file = write(models, "colours", brightest(), STEPS)
    (file.parent / "colours.txt").write_text("# of a picture\nred\ngreen\nblue\n")
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        yield running


def test_a_graph_is_served_over_http_and_grpc(server: LocalServer) -> None:
    assert server.post("doubler", [1, 2, 3, 4]) == (
        200,
        {
            "model_name": "doubler",
            "model_version": "1",
            "outputs": [
                {"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [2, 4, 6, 8]},
            ],
        },
    )
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        sent = triton_grpc.InferInput("x", [2, 4], "FP32")
        sent.set_data_from_numpy(x)
        assert np.array_equal(client.infer("doubler", [sent]).as_numpy("y"), 2 * x)
        words = np.array([["a", "é"]], object)
        text = triton_grpc.InferInput("x", [1, 2], "BYTES")
        text.set_data_from_numpy(words)
        assert client.infer("text", [text]).as_numpy("y").tolist() == [[b"a", "é".encode()]]
        text.set_data_from_numpy(np.array([[b"a", b"\xff"]], object))
        # Rows of padding are copies of it, and nobody's.
        with pytest.raises(InferenceServerException, match="not UTF-8") as refused:
            client.infer("text", [text])
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
    _, standing = server.get(f"http://{server.http}/v2/models/broken/ready")
    assert "Protobuf parsing failed" in str(standing) + server.output()


def test_a_graph_names_what_is_in_files_by_configuration_alone(server: LocalServer) -> None:
    def picture(colour: tuple[int, int, int]) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (9, 7), colour).save(file, "PNG")
        return file.getvalue()

    with triton_grpc.InferenceServerClient(server.grpc) as client:
        files = np.array([[picture((0, 0, 255))], [picture((200, 90, 90))]], object)
        sent = triton_grpc.InferInput("file", [2, 1], "BYTES")
        sent.set_data_from_numpy(files)
        answer = client.infer("colours", [sent])
        assert answer.as_numpy("name").tolist() == [[b"blue"], [b"red"]]
        told = client.get_model_metadata("colours")
        assert [one.name for one in told.inputs] == ["file"]
        assert [one.name for one in told.outputs] == ["share", "name"]
        sent.set_data_from_numpy(np.array([[b"none"], [picture((0, 0, 9))]], object))
        with pytest.raises(
            InferenceServerException, match="expected a JPEG, PNG or WebP"
        ) as refused:
            client.infer("colours", [sent])
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_graph_that_raises_answers_whose_row_it_is_and_nobody_else(server: LocalServer) -> None:
    """All are in one batch, which is held open for them; it runs again in halves."""
    with triton_http.InferenceServerClient(server.http, concurrency=4) as client:
        asked = []
        for at in (0, 9, 2, 3):
            sent = triton_http.InferInput("at", [1, 1], "INT64")
            sent.set_data_from_numpy(np.array([[at]]))
            asked.append(client.async_infer("lookup", [sent]))
        answers: list[Any] = []
        for one in asked:
            try:
                answers.append(one.get_result().as_numpy("found").item())
            except Exception as error:
                answers.append(str(error))
    assert [answers[0], *answers[2:]] == [10, 30, 40]
    assert "raised InvalidArgument" in answers[1]
    assert "indices element out of data bounds" in answers[1]


def test_a_model_of_tritons_is_served_after_its_config_was_converted(tmp_path: Path) -> None:
    write(tmp_path, "net", doubler())
    (tmp_path / "net" / "config.pbtxt").write_text(
        'platform: "onnxruntime_onnx" max_batch_size: 8 dynamic_batching { }\n'
        'input { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: 4 }\n'
    )
    converting.write(*converting.convert(tmp_path / "net"))
    (checked,) = checking.check(tmp_path)
    assert not checked.error
    assert [one.rows for one in checked.trials] == [1, 2, 4, 8]


def count_for_ever(own: LocalServer) -> None:
    with triton_http.InferenceServerClient(own.http) as client:
        sent = triton_http.InferInput("times", [1, 1], "INT64")
        sent.set_data_from_numpy(np.array([[1 << 60]]))
        with suppress(Exception):
            client.infer("counter", [sent])


def test_an_end_while_a_graph_runs_is_an_end_as_any_other(tmp_path: Path) -> None:
    """Its threads are C++'s: an interpreter that ended under them was aborted."""
    write(tmp_path / "models", "counter", counter())
    own = start(tmp_path / "models", tmp_path / "state", drain_s=1.0)
    try:
        own.wait_ready()
        caller = threading.Thread(target=count_for_ever, args=(own,), daemon=True)
        caller.start()
        until(lambda: runs(own) == 1, "the call runs")
        assert own.end() == 0, own.output()
        caller.join(PATIENCE_S)
    finally:
        own.process.kill()
        own.process.wait()
    assert "not everything was finished within 1 s: counter/1" in own.output()
