"""Triton's folders served as they are: Python models, a graph and a TorchScript program."""

import shutil
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tests.local.conftest import LocalServer, ready
from tests.local.test_serving import until
from tests.onnx_files import doubler
from tritonclient.utils import InferenceServerException

MODELS = Path(__file__).parents[1] / "triton" / "models"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS, models, dirs_exist_ok=True)
    graph(models)
    script(models)
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        yield running
    assert "cleaned up" in running.output()


def graph(models: Path) -> None:
    folder = models / "graph" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(doubler().SerializeToString())
    (folder.parent / "config.pbtxt").write_text(
        'platform: "onnxruntime_onnx" max_batch_size: 8\n'
        'input { name: "x" data_type: TYPE_FP32 dims: 4 }\n'
        'output { name: "y" data_type: TYPE_FP32 dims: 4 }\n'
    )


def script(models: Path) -> None:
    import torch

    class Apart(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return a - b, b - a

    folder = models / "script" / "1"
    folder.mkdir(parents=True)
    one = torch.ones(1, 2)
    # PyTorch would have programs exported by now; Triton's users have files that were not.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.jit.trace(Apart(), (one, one))
        program.save(folder / "model.pt")
    (folder.parent / "config.pbtxt").write_text(
        'platform: "pytorch_libtorch" max_batch_size: 8\n'
        # The numbers say which is which, not the order.
        'input { name: "B__1" data_type: TYPE_FP32 dims: 2 }\n'
        'input { name: "A__0" data_type: TYPE_FP32 dims: 2 }\n'
        'output { name: "OUTPUT__0" data_type: TYPE_FP32 dims: 2 }\n'
        'output { name: "OUTPUT__1" data_type: TYPE_FP32 dims: 2 }\n'
    )


def tensor(client: Any, name: str, array: Any, datatype: str) -> Any:
    sent = client.InferInput(name, list(array.shape), datatype)
    sent.set_data_from_numpy(array)
    return sent


def ask(server: LocalServer, model: str, datatype: str, /, **inputs: Any) -> Any:
    sent = [tensor(triton_http, name, array, datatype) for name, array in inputs.items()]
    with triton_http.InferenceServerClient(server.http) as client:
        return client.infer(model, sent)


def floats(*rows: Any) -> Any:
    return np.array(rows, np.float32)


def parts(server: LocalServer, model: str, number: int) -> tuple[list[int], str]:
    """Ask for a decoupled answer; return its parts and its error."""
    came: Queue[Any] = Queue()
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        client.start_stream(lambda result, error: came.put((result, error)))
        # A model without an axis of rows has one of one, as its dims say.
        shape = (1,) if model == "repeat" else (1, 1)
        sent = tensor(triton_grpc, "IN", np.full(shape, number, np.int32), "INT32")
        client.async_stream_infer(model, [sent], enable_empty_final_response=True)
        found: list[int] = []
        while True:
            result, error = came.get(timeout=30)
            if error is not None:
                return found, str(error)
            if result.get_response().parameters["triton_final_response"].bool_param:
                return found, ""
            found.append(result.as_numpy("OUT").item())


def test_requests_of_any_rows_are_answered(server: LocalServer) -> None:
    a, b = floats([1, 2, 3, 4], [5, 6, 7, 8]), floats([1, 1, 1, 1], [2, 2, 2, 2])
    answer = ask(server, "add_sub", "FP32", INPUT0=a, INPUT1=b)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), a + b)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), a - b)
    # What it says has its name.
    said = server.output()
    assert "add_sub/1" in said
    assert "good day, add_sub 1 on CPU" in said
    assert "answered 1" in server.command("logs", "add_sub")


def test_texts_and_parameters_go_in_and_out(server: LocalServer) -> None:
    words = np.array([["two", "words"]], object)
    sent = tensor(triton_http, "IN", words, "BYTES")
    with triton_http.InferenceServerClient(server.http) as client:
        answer = client.infer("text", [sent], parameters={"tone": "loud"})
    assert answer.as_numpy("OUT").tolist() == [[b"TWO", b"WORDS"]]
    assert answer.as_numpy("ASKED").tolist() == [[b'{"tone": "loud"}']]


def test_an_error_is_of_one_request_and_of_no_other(server: LocalServer) -> None:
    """All are in one batch, which is held open for them."""
    with triton_http.InferenceServerClient(server.http, concurrency=3) as client:
        asked = [
            client.async_infer(
                "text", [tensor(triton_http, "IN", np.array([[word, "x"]], object), "BYTES")]
            )
            for word in ("a", "lost", "b")
        ]
        first, lost, last = asked
        assert first.get_result().as_numpy("OUT").tolist() == [[b"A", b"X"]]
        with pytest.raises(InferenceServerException, match=r"no such word \[NOT_FOUND\]"):
            lost.get_result()
        assert last.get_result().as_numpy("OUT").tolist() == [[b"B", b"X"]]


def test_what_is_not_served_is_told_by_its_name(server: LocalServer) -> None:
    with pytest.raises(InferenceServerException, match=r"pb_utils.InferenceRequest.request_id\(\)"):
        ask(server, "text", "BYTES", IN=np.array([["id", "x"]], object))


def test_answers_of_different_sizes_come_each_by_itself(server: LocalServer) -> None:
    with triton_http.InferenceServerClient(server.http, concurrency=4) as client:
        asked = [
            client.async_infer(
                "any_size", [tensor(triton_http, "COUNT", np.array([[count]], np.int32), "INT32")]
            )
            for count in (3, 1, 4, 2)
        ]
        sizes = [one.get_result().as_numpy("UP_TO").shape for one in asked]
    assert sizes == [(1, 3), (1, 1), (1, 4), (1, 2)]
    whole = ask(server, "any_size", "INT32", COUNT=np.array([[2], [2]], np.int32))
    assert whole.as_numpy("UP_TO").tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("number", [0, 1, 3, 100])
def test_a_decoupled_model_sends_any_number_of_parts(server: LocalServer, number: int) -> None:
    assert parts(server, "repeat", number) == (list(range(number)), "")


def test_an_error_ends_a_decoupled_answer_after_its_parts(server: LocalServer) -> None:
    found, error = parts(server, "repeat", 13)
    assert found == [0, 1]
    assert "thirteen [UNAVAILABLE]" in error


def test_what_a_decoupled_execute_raises_is_its_requests(server: LocalServer) -> None:
    found, error = parts(server, "repeat", -1)
    assert found == []
    assert "execute() raised ValueError: less than nothing" in error
    assert parts(server, "repeat", 2) == ([0, 1], "")


def test_a_decoupled_model_hears_that_its_caller_left(server: LocalServer) -> None:
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        came = threading.Event()
        client.start_stream(lambda result, error: came.set())
        sent = tensor(triton_grpc, "IN", np.array([1 << 30], np.int32), "INT32")
        client.async_stream_infer("repeat", [sent])
        assert came.wait(30)
        client.stop_stream(cancel_requests=True)
    until(lambda: "left at" in server.output(), "the model hears that its caller left")
    assert parts(server, "repeat", 1) == ([0], "")


def test_coroutines_of_several_requests_run_at_once(server: LocalServer) -> None:
    """Each waits until the other is there."""
    found: dict[int, Any] = {}

    def one(number: int) -> None:
        found[number] = parts(server, "together", number)

    asking = [threading.Thread(target=one, args=(number,)) for number in (10, 11)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(30)
    assert found == {10: ([20], ""), 11: ([22], "")}


def test_a_class_completes_its_configuration(server: LocalServer) -> None:
    answer = ask(server, "completed", "INT64", x=np.array([[1, 2]]))
    assert answer.as_numpy("y").tolist() == [[3, 6]]
    with triton_http.InferenceServerClient(server.http) as client:
        metadata = client.get_model_metadata("completed")
    assert metadata["inputs"] == [{"name": "x", "datatype": "INT64", "shape": [-1, 2]}]
    assert metadata["platform"] == "python"


def test_a_response_may_be_sent_from_another_thread(server: LocalServer) -> None:
    assert ask(server, "sender", "FP64", x=np.array([[1.0], [2.0]])).as_numpy("y").tolist() == [
        [-1.0],
        [-2.0],
    ]


def test_tensors_go_to_pytorch_and_back(server: LocalServer) -> None:
    answer = ask(server, "torch", "BF16", x=np.array([[1, 2.5]], ml_dtypes.bfloat16))
    assert answer.as_numpy("y").tolist() == [[2, 5]]
    assert answer.as_numpy("z").tolist() == [[2, 5]]


def test_sequences_have_their_flags_and_controls(server: LocalServer) -> None:
    with triton_grpc.InferenceServerClient(server.grpc) as client:
        sums = []
        for at, value in enumerate((1, 2, 3)):
            sent = tensor(triton_grpc, "x", np.array([[value]], np.int32), "INT32")
            answer = client.infer(
                "sequence", [sent], sequence_id=7, sequence_start=at == 0, sequence_end=at == 2
            )
            sums.append(answer.as_numpy("sum").item())
    assert sums == [1, 3, 6]


def test_a_graph_and_a_program_are_served_beside(server: LocalServer) -> None:
    x = floats([1, 2, 3, 4])
    np.testing.assert_array_equal(ask(server, "graph", "FP32", x=x).as_numpy("y"), x * 2)
    a, b = floats([5, 6]), floats([1, 1])
    answer = ask(server, "script", "FP32", A__0=a, B__1=b)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT__0"), a - b)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT__1"), b - a)


def test_what_came_in_one_request_is_one(server: LocalServer) -> None:
    """Though requests share a batch; and one that fails is answered alone."""
    with triton_http.InferenceServerClient(server.http, concurrency=8) as client:
        asked = []
        for count in (1, 3, 2, 5, 1, 4):
            sign = -1 if count == 5 else 1
            array = np.full([count, 1], sign, np.float32)
            asked.append(
                (count, client.async_infer("sizes", [tensor(triton_http, "IN", array, "FP32")]))
            )
        for count, one in asked:
            if count == 5:
                with pytest.raises(InferenceServerException, match="below zero"):
                    one.get_result()
            else:
                assert one.get_result().as_numpy("ROWS").tolist() == [[count]] * count
