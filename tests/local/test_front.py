"""`headrace front` before another Headrace: what passes, and what is lost."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tests.local.conftest import LocalServer, ready, start, write_model
from tests.ports import free_ports
from tritonclient.utils import InferenceServerException

from headrace.cli.console_client import post
from headrace.cli.deciding import path

DOUBLE = """
if batch["x"][0, 0] == 13: raise ValueError("thirteen")
if batch["x"][0, 0] == 99: time.sleep(0.5)
return {"y": batch["x"] * 2}
"""
COUNT = """
import numpy as np
from headrace import Model, Tensor

class Count(Model):
    inputs = [Tensor("n", "INT64", [1])]
    outputs = [Tensor("token", "INT64", [1])]

    def stream(self, batch):
        for token in range(int(batch["n"][0, 0])):
            yield {"token": np.array([[token]])}
"""


def write_models(models: Path) -> None:
    write_model(models, "double", DOUBLE)
    (models / "count" / "1").mkdir(parents=True)
    (models / "count" / "1" / "model.py").write_text(COUNT)
    (models / "count" / "model.yaml").write_text("streams: true\n")


def start_front(url: str, state: Path, *options: str) -> LocalServer:
    """Start a front; it may not be ready yet."""
    state.mkdir(parents=True, exist_ok=True)
    port, log = free_ports(), state / "output"
    command = [sys.executable, "-m", "headrace", "front", url, "--ports", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--state", str(state), *options], stdout=output, stderr=subprocess.STDOUT
        )
    return LocalServer(process, state / "upstream", port, state, log)


@contextmanager
def fronting(url: str, state: Path, *options: str) -> Iterator[LocalServer]:
    """A front that listens; it has to end well."""
    front = start_front(url, state, *options)
    try:
        front.wait_ready()
        yield front
        assert front.end() == 0, front.output()
        assert "Traceback" not in front.output()
    finally:
        front.process.kill()
        front.process.wait()


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("upstream")
    write_models(folder / "models")
    with ready(folder / "models", folder / "state") as server:
        yield server


@pytest.fixture(scope="module")
def front(upstream: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Before it, with a version of our own beside the server's."""
    folder = tmp_path_factory.mktemp("front")
    write_model(folder / "models", "double", 'return {"y": batch["x"] * 3}')
    (folder / "models" / "double" / "1").rename(folder / "models" / "double" / "2")
    options = ("--models", str(folder / "models"))
    with fronting(f"grpc://{upstream.grpc}", folder / "state", *options) as server:
        yield server


def infer(server: LocalServer, protocol: str, x: Any, **how: Any) -> Any:
    """Return what tritonclient makes of one call: the answer's facts, or the error's."""
    library: Any = {"http": tritonclient.http, "grpc": tritonclient.grpc}[protocol]
    with library.InferenceServerClient(getattr(server, protocol)) as client:
        tensor = library.InferInput("x", list(x.shape), "FP32")
        tensor.set_data_from_numpy(x)
        try:
            answer = client.infer(how.pop("model", "double"), [tensor], **how)
        except InferenceServerException as error:
            return error.status(), re.sub(r" \[error id [^]]*\]", "", error.message())
        told = answer.get_response()
        told = told if isinstance(told, dict) else {"model_version": told.model_version}
        return told["model_version"], answer.as_numpy("y").tolist()


X = np.arange(8, dtype=np.float32).reshape(2, 4)
SLOW = np.full((1, 4), 99, np.float32)


#: What is sent, and how.
Asked = tuple[Any, dict[str, Any]]

ASKED: dict[str, Asked] = {
    "rows": (X, {"request_id": "one"}),
    "version": (X, {"model_version": "1"}),
    "timeout": (X, {"timeout": 9_000_000}),
    "raises": (np.full((1, 4), 13, np.float32), {}),
    "shape": (X[:, :3], {}),
    "oversize": (np.zeros((1000, 4), np.float32), {}),
    "unknown": (X, {"model": "none"}),
}
UNKNOWN_VERSION: dict[str, Asked] = {"unknown-version": (X, {"model_version": "7"})}


def asked(cases: Mapping[str, Asked]) -> pytest.MarkDecorator:
    """Have a test run for each of these, over either protocol."""
    each = [(protocol, x, how) for protocol in ("http", "grpc") for x, how in cases.values()]
    ids = [f"{name}-{protocol}" for protocol in ("http", "grpc") for name in cases]
    return pytest.mark.parametrize(("protocol", "x", "how"), each, ids=ids)


@asked(ASKED | UNKNOWN_VERSION)
def test_answers_and_errors_are_those_of_the_server(
    upstream: LocalServer, front: LocalServer, protocol: str, x: Any, how: dict[str, Any]
) -> None:
    assert infer(front, protocol, x, **how) == infer(upstream, protocol, x, **how)


def test_what_a_client_looks_at_is_told_of_the_servers_models(
    upstream: LocalServer, front: LocalServer
) -> None:
    both = [tritonclient.http.InferenceServerClient(one.http) for one in (upstream, front)]
    theirs, ours = (one.get_model_metadata("count") for one in both)
    assert theirs == ours
    theirs, ours = (one.get_model_config("double", "1") for one in both)
    assert [(ours[key], theirs[key]) for key in ("max_batch_size", "input", "output")] == [
        (theirs[key], theirs[key]) for key in ("max_batch_size", "input", "output")
    ]
    index = {
        (one["name"], one["version"]): one["state"] for one in both[1].get_model_repository_index()
    }
    assert index == dict.fromkeys([("count", "1"), ("double", "1"), ("double", "2")], "READY")
    assert both[1].is_server_ready()
    assert "2 is ready" not in front.output()


def test_parts_pass_as_they_come(upstream: LocalServer, front: LocalServer) -> None:
    def parts(server: LocalServer) -> list[Any]:
        found: list[Any] = []
        over = threading.Event()

        def take(result: Any, error: Any) -> None:
            assert error is None
            told = result.get_response()
            found.append((told.id, [result.as_numpy(one.name).tolist() for one in told.outputs]))
            if told.parameters["triton_final_response"].bool_param:
                over.set()

        with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
            client.start_stream(take)
            tensor = tritonclient.grpc.InferInput("n", [1, 1], "INT64")
            tensor.set_data_from_numpy(np.array([[100]]))
            client.async_stream_infer(
                "count", [tensor], request_id="s", enable_empty_final_response=True
            )
            assert over.wait(30)
        return found

    assert len(parts(front)) == 101
    assert parts(front) == parts(upstream)


def test_traffic_moves_from_the_servers_version_to_ours_and_back(front: LocalServer) -> None:
    def answered_by(calls: int) -> dict[str, int]:
        versions = [infer(front, "grpc", X)[0] for _ in range(calls)]
        return {one: versions.count(one) for one in versions}

    def divide(*shares: str) -> None:
        query = {"model": "double", "shares": ",".join(shares), "why": ""}
        post(front.console, path("split", query))

    assert answered_by(5) == {"1": 5}, "whoever served so far has the traffic"
    divide("1=50", "2=50")
    shares = answered_by(60)
    # Fewer than 5 of 60 at even odds: once in 10^13.
    assert min(shares["1"], shares["2"]) >= 5
    divide("2=100")
    assert answered_by(5) == {"2": 5}
    assert infer(front, "http", X)[1] == (X * 3).tolist()
    divide("1=100")
    assert answered_by(5) == {"1": 5}


def test_a_lost_server_is_told_of_at_once_and_found_again(tmp_path: Path) -> None:
    write_models(tmp_path / "models")
    server = start(tmp_path / "models", tmp_path / "up")
    server.wait_ready()
    ends: list[tuple[float, Any]] = []
    over = threading.Event()

    def work(front: LocalServer, protocol: str, x: Any) -> None:
        while not over.is_set():
            began = time.monotonic()
            status = infer(front, protocol, x, timeout=5_000_000)[0]
            ends.append((time.monotonic() - began, status))

    try:
        with fronting(f"grpc://{server.grpc}", tmp_path / "front") as front:
            # So many slow ones that there is no moment without one in flight.
            given = [(front, "grpc", X), (front, "http", X), *[(front, "grpc", SLOW)] * 4]
            callers = [threading.Thread(target=work, args=one) for one in given]
            for one in callers:
                one.start()
            while len(ends) < 10:
                over.wait(0.05)
            server.process.kill()
            server.process.wait()
            over.wait(1.5)
            again = start(tmp_path / "models", tmp_path / "up", port=server.port)
            again.wait_ready()
            before = len(ends)
            while len(ends) < before + 10:
                over.wait(0.05)
            over.set()
            for one in callers:
                one.join()
            assert infer(front, "grpc", X)[0] == "1"
            assert again.end() == 0
        # Those who wait for the server's return have their deadline.
        assert max(took for took, _ in ends) < 15
        lost = {"503", "504", "StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED"}
        assert {status for _, status in ends} <= {"1", *lost}
        assert any(status == "StatusCode.UNAVAILABLE" for _, status in ends), "one was in flight"
        assert "lost the server at" in front.output()
    finally:
        server.process.kill()
        server.process.wait()


def test_a_server_that_is_away_is_said_and_waited_for(tmp_path: Path) -> None:
    # Beside those that the front takes.
    port = free_ports() + 4
    url = f"grpc://127.0.0.1:{port + 1}"
    first = start_front(url, tmp_path / "front")
    assert first.process.wait(60) == 1
    assert f"{url} does not say what models it has" in first.output()
    with fronting(url, tmp_path / "front", "--model", "double") as front:
        status, answer = front.post("double", [1.0] * 4)
        assert status == 503, answer
        assert "waits for its server" in front.command("versions", "double")
        write_models(tmp_path / "models")
        server = start(tmp_path / "models", tmp_path / "up", port=port)
        try:
            server.wait_ready()
            until = time.monotonic() + 60
            while infer(front, "grpc", X)[0] != "1":
                assert time.monotonic() < until, front.output()
            front.command("status", code=0)
        finally:
            server.process.kill()
            server.process.wait()
