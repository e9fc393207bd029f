"""Versions that other models answer together: Triton's pipelines as they are, and ensemble.yaml."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tests.local.callers import traffic, until
from tests.local.conftest import LocalServer, ready, write_model
from tritonclient.utils import InferenceServerException

PIPELINES = Path(__file__).parents[1] / "triton" / "ensembles"
LIBRARIES: list[Any] = [triton_http, triton_grpc]
CHAIN = """
inputs: [{name: x, datatype: FP32, shape: [4]}]
outputs: [{name: y, datatype: FP32, shape: [4]}]
max_rows: 8
steps:
- {model: first, inputs: {x: x}, outputs: {y: between}}
- {model: second, inputs: {x: between}, outputs: {y: y}}
"""
TIMES = 'return {"y": batch["x"] * %d}'
BODY = json.dumps(
    {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}
)


def compose(models: Path, name: str, text: str) -> None:
    folder = models / name / "1"
    folder.mkdir(parents=True)
    (folder / "ensemble.yaml").write_text(text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(PIPELINES, models, dirs_exist_ok=True)
    write_model(models, "first", TIMES % 2)
    write_model(models, "second", 'time.sleep(float(batch["x"][0, 0]) / 100); ' + TIMES % 3)
    compose(models, "chain", CHAIN)
    compose(models, "unfit", CHAIN.replace("shape: [4]", "shape: [5]"))
    with ready(models, tmp_path_factory.mktemp("state")) as running:
        until(lambda: running.get(f"http://{running.http}/v2/models/chain/ready")[0] == 200)
        until(lambda: running.get(f"http://{running.http}/v2/models/photos/ready")[0] == 200)
        yield running


def client(server: LocalServer, library: Any) -> Any:
    address = server.http if library is triton_http else server.grpc
    return library.InferenceServerClient(address)


def ask(server: LocalServer, library: Any, model: str, /, **inputs: Any) -> Any:
    types = {np.uint8: "UINT8", np.float32: "FP32", np.object_: "BYTES"}
    sent = []
    for name, array in inputs.items():
        tensor = library.InferInput(name, list(array.shape), types[array.dtype.type])
        tensor.set_data_from_numpy(array)
        sent.append(tensor)
    with client(server, library) as asked:
        return asked.infer(model, sent, request_id="r1")


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_image_is_prepared_and_classified(server: LocalServer, library: Any) -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[0, :, :, 1] = 255
    images[1, :, :, 2] = 51
    answer = ask(server, library, "photos", RAW=images)
    assert answer.as_numpy("COLOUR").tolist() == [[b"green"], [b"blue"]]
    scores = np.array([[0, 1, 0], [0, 0, 0.2]])
    np.testing.assert_allclose(answer.as_numpy("SCORES"), scores, rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("model", ["branches", "whole"])
def test_branches_are_joined(server: LocalServer, library: Any, model: str) -> None:
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    assert ask(server, library, model, X=x).as_numpy("SUM").tolist() == x.tolist()


@pytest.mark.parametrize("library", LIBRARIES)
def test_texts_go_from_step_to_step(server: LocalServer, library: Any) -> None:
    words = np.array([[b"one"], ["zw\u00f6lf".encode()]], dtype=object)
    told = ask(server, library, "words", TEXT=words).as_numpy("TOLD").tolist()
    assert told == [[b"one!!"], ["zw\u00f6lf!!".encode()]]
    wrong = np.array([[b"wrong"]], dtype=object)
    with pytest.raises(InferenceServerException) as caught:
        ask(server, library, "words", TEXT=wrong)
    assert caught.value.message().startswith("in ensemble 'words', model 'spell': no such word")


def test_what_it_is_is_told_as_triton_tells_it(server: LocalServer) -> None:
    with client(server, triton_http) as http, client(server, triton_grpc) as grpc:
        over_http = http.get_model_config("branches")
        over_grpc = grpc.get_model_config("branches", as_json=True)["config"]
        assert http.get_model_metadata("branches")["platform"] == "ensemble"
    assert (over_http["platform"], over_http["backend"]) == ("ensemble", "")
    assert over_grpc["platform"] == "ensemble"
    maps = [
        (one["model_name"], one["input_map"], one["output_map"])
        for one in over_http["ensemble_scheduling"]["step"]
    ]
    assert maps[2] == ("join", {"A": "twice", "B": "below"}, {"SUM": "SUM"})
    assert [one["model_version"] for one in over_http["ensemble_scheduling"]["step"]] == [-1, 1, -1]
    steps = over_grpc["ensemble_scheduling"]["step"]
    assert maps == [(one["model_name"], one["input_map"], one["output_map"]) for one in steps]


def test_one_answer_over_a_stream(server: LocalServer) -> None:
    from queue import Queue

    answers: Queue[Any] = Queue()
    sent = triton_grpc.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(np.ones((1, 4), np.float32))
    with client(server, triton_grpc) as asked:
        asked.start_stream(lambda result, error: answers.put(error or result))
        asked.async_stream_infer("chain", [sent])
        assert answers.get(timeout=30).as_numpy("y").tolist() == [[6.0] * 4]


def test_a_deadline_is_that_of_all_steps(server: LocalServer) -> None:
    sent = triton_http.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(np.full((1, 4), 50, np.float32))  # a second
    with client(server, triton_http) as asked, pytest.raises(InferenceServerException) as caught:
        asked.infer("chain", [sent], timeout=300_000)
    assert "the deadline of 300.0 ms passed" in caught.value.message()


def test_each_step_is_a_request_that_is_counted_and_shown(server: LocalServer) -> None:
    before = [_count(server, name) for name in ("chain", "first", "second")]
    sent = triton_http.InferInput("x", [1, 4], "FP32")
    sent.set_data_from_numpy(np.ones((1, 4), np.float32))
    with client(server, triton_http) as asked:
        asked.infer("chain", [sent], request_id="shown", headers={"x-headrace-timing": "1"})
    after = [_count(server, name) for name in ("chain", "first", "second")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
    shown = server.command("why", "shown", "--json").splitlines()
    assert {json.loads(one)["model"] for one in shown} == {"chain", "first", "second"}


def _count(server: LocalServer, model: str) -> int:
    found = server.get(f"http://{server.http}/v2/models/{model}/stats")[1]["model_stats"]
    return int(found[0]["inference_stats"]["success"]["count"])


def test_one_whose_models_do_not_fit_says_so(server: LocalServer) -> None:
    assert "unfit/1 | failed: tensor 'x' is FP32 [-1, 5] for the ensemble, and" in server.output()
    assert server.post("unfit", [1, 1, 1, 1])[0] == 503


def test_a_step_swaps_versions_and_nobody_notices(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_model(models, "first", TIMES % 2)
    write_model(models, "second", TIMES % 3)
    compose(models, "chain", CHAIN)
    source = (models / "first" / "1" / "model.py").read_text()
    with ready(models, tmp_path / "state") as server:
        until(lambda: server.post("chain", [1, 1, 1, 1])[0] == 200)
        with traffic(server, "chain", BODY) as answered:
            for number in (2, 3):
                folder = models / "first" / str(number)
                folder.mkdir()
                (folder / "model.py").write_text(source.replace("* 2", f"* {number}0"))
                assert f"first/{number}: ready" in server.command("load", "first", "--swap")
            until(lambda: server.post("chain", [1, 1, 1, 1])[1]["outputs"][0]["data"][0] == 90.0)
        assert set(answered) == {200}, answered
        server.command("unload", "second/1")
        until(lambda: server.post("chain", [1, 1, 1, 1])[0] != 200)
        status, told = server.post("chain", [1, 1, 1, 1])
        assert status == 503
        assert told["error"].startswith("in ensemble 'chain', ")
        assert "'second'" in told["error"]
        assert server.get(f"http://{server.http}/v2/models/chain/ready")[0] == 503
        assert server.get(f"http://{server.http}/v2/models/first/ready")[0] == 200
