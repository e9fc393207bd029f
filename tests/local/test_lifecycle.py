"""Versions that one process loads, swaps and unloads while requests come."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tests.local.conftest import LocalServer, ready
from tritonclient.utils import InferenceServerException

WriteModel = Callable[..., Path]


def model(times: int, first: str = "") -> str:
    return f"""
{first}
from headrace import Batch, Context, Model, Tensor

class Times(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None: ...

    def predict(self, batch: Batch):
        return {{"y": batch["x"] * {times}}}
"""


def write(models: Path, number: int, source: str) -> None:
    folder = models / "times" / str(number)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(source)


def rows(server: LocalServer) -> dict[int, Any]:
    found = server.get(f"{server.console}/api/status")[1]["models"]
    return {one["version"]: one for one in found[0]["versions"]} if found else {}


def test_versions_come_and_go_and_nobody_notices(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write(models, 1, model(1))
    stop = threading.Event()
    answers: list[tuple[int, Any]] = []

    def ask() -> None:
        while not stop.is_set():
            status, body = server.post("times", [1.0, 1.0, 1.0, 1.0])
            answers.append((status, body["outputs"][0]["data"][0] if status == 200 else body))

    with ready(models, tmp_path / "state") as server:
        callers = [threading.Thread(target=ask) for _ in range(4)]
        for caller in callers:
            caller.start()
        for number in (2, 3, 4):
            write(models, number, model(number))
            assert f"times/{number}: ready" in server.command("load", "times", "--swap")
        write(models, 5, model(5, "raise RuntimeError('no weights')"))
        assert "times/5: failed: " in server.command("load", "times/5", "--swap", code=1)
        (models / "times" / "5" / "model.py").write_text(model(5))
        assert "times/5: ready" in server.command("load", "times/5")
        server.command("split", "times", "5=100")
        server.command("unload", "times/4")
        while set(rows(server)) != {5}:
            pass
        stop.set()
        for caller in callers:
            caller.join()
        assert {status for status, _ in answers} == {200}, [one for one in answers if one[0] != 200]
        assert {value for _, value in answers} == {1.0, 2.0, 3.0, 4.0, 5.0}
        assert server.post("times", [1.0] * 4)[1]["model_version"] == "5"
        server.command("unload", "times")
        while rows(server):
            pass
        assert server.post("times", [1.0] * 4)[0] == 404
        server.command("load", "times/1")
        assert server.post("times/versions/1", [1.0] * 4)[0] == 200


def test_a_start_goes_on_with_what_was_wanted(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for number in (1, 2, 3):
        write(models, number, model(number))
    with ready(models, tmp_path / "state") as server:
        server.command("split", "times", "1=100")
        server.command("unload", "times/3")
    with ready(models, tmp_path / "state") as server:
        assert {one: row["share_percent"] for one, row in rows(server).items()} == {1: 100, 2: 0}
        assert "hold" not in server.output()
        assert server.post("times", [1.0] * 4)[1]["model_version"] == "1"
        assert "3" in server.command("versions", "times")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["load", "times/9"], "no version 9 of times; in its folder are 1"),
        (["load", "nobody"], "no model 'nobody'"),
        (["load", "times/one"], "expected MODEL or MODEL/VERSION"),
        (["load", "times/1"], "version 1 is ready already"),
        (["unload", "times/2"], "version 2 is not loaded; loaded are 1"),
        (["split", "times", "1=50"], "should add up to 100 %"),
        (["split", "times", "1:50"], "expected a percentage for each version"),
        (["undo", "77"], "the journal has no entry 77"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_can(
    one: LocalServer, command: list[str], says: str
) -> None:
    assert says in one.command(*command, code=1)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("one")
    write(folder / "models", 1, model(1))
    with ready(folder / "models", folder / "state") as server:
        yield server


@pytest.mark.parametrize("library", [tritonclient.http, tritonclient.grpc])
def test_tritons_clients_load_and_unload_where_that_is_switched_on(
    tmp_path: Path, library: Any
) -> None:
    models = tmp_path / "models"
    write(models, 1, model(1))
    with ready(models, tmp_path / "state", "--model-control") as server:
        address = server.http if library is tritonclient.http else server.grpc
        with library.InferenceServerClient(address) as client:

            def answers() -> float:
                given = library.InferInput("x", [1, 4], "FP32")
                given.set_data_from_numpy(np.ones((1, 4), np.float32))
                found = client.infer("times", [given]).as_numpy("y")
                return float(found[0, 0])

            assert answers() == 1
            write(models, 2, model(2))
            client.load_model("times")
            assert answers() == 2
            client.unload_model("times")
            while client.is_model_ready("times"):
                pass
            client.load_model("times")
            assert answers() == 2, "it answers at once"
            with pytest.raises(InferenceServerException, match="failed to load 'nobody': no model"):
                client.load_model("nobody")
            client.unload_model("nobody")
            with pytest.raises(InferenceServerException, match="'config' is not offered"):
                client.load_model("times", config="{}")


def test_nobody_loads_over_the_wire_where_that_is_not_switched_on(one: LocalServer) -> None:
    with (
        tritonclient.http.InferenceServerClient(one.http) as client,
        pytest.raises(InferenceServerException, match="start the server with --model-control"),
    ):
        client.load_model("times")
