"""`headrace front` before a server with the protocol's core alone, as those of Python are."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc
from tests.local.conftest import LocalServer
from tests.local.test_front import fronting, infer
from tritonclient.grpc import service_pb2 as messages
from tritonclient.utils import InferenceServerException

#: By the first number that is sent.
STATUSES = {code.value[0]: code for code in grpc.StatusCode if code is not grpc.StatusCode.OK}
NEVER = 100
LONG = 101


class Bare:
    """No index, no configuration, typed contents in answers; fails as it is told to."""

    def __init__(self) -> None:
        self.remaining_s: float | None = None
        self.left = threading.Event()
        self.version = "unasked"

    def ModelReady(self, asked: Any, context: Any) -> Any:
        return messages.ModelReadyResponse(ready=asked.name == "bare")

    def ModelMetadata(self, asked: Any, context: Any) -> Any:
        def tensor(name: str) -> Any:
            return {"name": name, "datatype": "FP32", "shape": [-1, 4]}

        return messages.ModelMetadataResponse(
            name="bare", platform="scripted", inputs=[tensor("x")], outputs=[tensor("y")]
        )

    def ModelInfer(self, asked: Any, context: Any) -> Any:
        self.version = asked.model_version
        x = np.frombuffer(asked.raw_input_contents[0], np.float32)
        what = int(x[0])
        if what in STATUSES:
            context.abort(STATUSES[what], "as it was told")
        if what == NEVER:
            self.remaining_s = context.time_remaining()
            context.add_callback(self.left.set)
            self.left.wait(20)
        rows = 1 if what == LONG else len(x) // 4
        contents = {"fp32_contents": (x + 1).tolist()}
        output = {"name": "y", "datatype": "FP32", "shape": [rows, 4], "contents": contents}
        return messages.ModelInferResponse(model_name="bare", outputs=[output])

    def serve(self) -> tuple[grpc.Server, int]:
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                getattr(self, name),
                getattr(messages, f"{name}Request").FromString,
                getattr(messages, f"{name}Response").SerializeToString,
            )
            for name in ("ModelReady", "ModelMetadata", "ModelInfer")
        }
        server = grpc.server(ThreadPoolExecutor(4))
        service = "inference.GRPCInferenceService"
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, port


@pytest.fixture(scope="module")
def bare() -> Iterator[tuple[Bare, int]]:
    one = Bare()
    server, port = one.serve()
    yield one, port
    server.stop(0).wait()


@pytest.fixture(scope="module")
def front(
    bare: tuple[Bare, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    state = tmp_path_factory.mktemp("front")
    with fronting(f"grpc://127.0.0.1:{bare[1]}", state, "--model", "bare") as server:
        yield server


def asking(what: float, rows: int = 1) -> Any:
    return np.full((rows, 4), what, np.float32)


def test_typed_contents_are_read_and_the_server_chooses_the_version(
    bare: tuple[Bare, int], front: LocalServer
) -> None:
    for protocol in ("http", "grpc"):
        assert infer(front, protocol, asking(50, 3), model="bare")[1] == asking(51, 3).tolist()
    assert bare[0].version == ""


@pytest.mark.parametrize(
    ("code", "over_http", "same"),
    [
        (grpc.StatusCode.CANCELLED, "499", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "400", True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "504", True),
        (grpc.StatusCode.NOT_FOUND, "404", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "429", True),
        (grpc.StatusCode.UNIMPLEMENTED, "501", True),
        (grpc.StatusCode.INTERNAL, "500", True),
        (grpc.StatusCode.UNAVAILABLE, "503", True),
        (grpc.StatusCode.UNKNOWN, "500", False),
        (grpc.StatusCode.FAILED_PRECONDITION, "400", False),
        (grpc.StatusCode.PERMISSION_DENIED, "403", True),
        (grpc.StatusCode.DATA_LOSS, "500", False),
    ],
)
def test_a_status_of_the_server_is_its_callers(
    front: LocalServer, code: grpc.StatusCode, over_http: str, same: bool
) -> None:
    x = asking(code.value[0])
    status, text = infer(front, "grpc", x, model="bare")
    assert text == ("as it was told" if same else f"as it was told ({code.name})")
    assert (status == str(code)) is same
    assert infer(front, "http", x, model="bare") == (over_http, text)


def test_an_answer_that_is_none_is_not_passed_on(front: LocalServer) -> None:
    status, text = infer(front, "http", asking(LONG, 2), model="bare")
    assert status == "500"
    assert "output 'y' has 32 bytes, which its shape" in text


def test_a_deadline_is_passed_on_and_its_caller_answered(
    bare: tuple[Bare, int], front: LocalServer
) -> None:
    bare[0].left.clear()
    status, _ = infer(front, "grpc", asking(NEVER), model="bare", timeout=700_000)
    assert status == "StatusCode.DEADLINE_EXCEEDED"
    assert bare[0].remaining_s is not None
    assert 0 < bare[0].remaining_s <= 0.7
    assert bare[0].left.wait(5), "the call there is over, too"


def test_a_caller_that_leaves_takes_its_call_back_there(
    bare: tuple[Bare, int], front: LocalServer
) -> None:
    bare[0].left.clear()
    ended: list[Any] = []
    with tritonclient.grpc.InferenceServerClient(front.grpc) as client:
        tensor = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
        tensor.set_data_from_numpy(asking(NEVER))
        call = client.async_infer("bare", [tensor], lambda result, error: ended.append(error))
        assert not bare[0].left.wait(0.5)
        call.cancel()
        assert bare[0].left.wait(5)
    assert isinstance(ended[0], InferenceServerException)


def test_a_model_that_the_server_has_not_is_not_ready(
    bare: tuple[Bare, int], tmp_path: Path
) -> None:
    url = f"grpc://127.0.0.1:{bare[1]}"
    with fronting(url, tmp_path, "--model", "bare", "--model", "other") as front:
        assert infer(front, "http", asking(50), model="bare")[0] == "1"
        status, text = infer(front, "http", asking(50), model="other")
        assert status == "503"
        assert "it says that model 'other' is not ready" in text
