"""More versions than may be in memory: each is loaded when it is asked for."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request

import numpy as np
from tests.local.conftest import LocalServer, ready
from tritonclient import grpc, http

NAMES = "abcdef"
MODEL = """
import numpy as np
from headrace import Model, Tensor
class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]
    def load(self, context): pass
    def predict(self, batch):
        return {{"y": batch["x"] + {plus}}}
"""


def write(models: Path) -> None:
    for plus, name in enumerate(NAMES):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(MODEL.format(plus=plus))
        (models / name / "model.yaml").write_text("placement: {isolation: shared}\n")


def test_six_models_in_three_places_are_all_answered(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write(models)
    # Whoever's turn comes late on a busy machine still waits for it.
    limits = ["--limit", "max_loaded=3", "--limit", "load_wait_ms=120000"]
    with ready(models, tmp_path / "state", *limits) as server:

        def states() -> list[str]:
            told = json.loads(server.command("status", "--json"))
            return [model["versions"][0]["state"] for model in told["models"]]

        assert states() == ["ready"] * 3 + ["standby"] * 3
        assert "f/1: ready" in server.command("load", "f/1"), "before anybody has called it"
        assert sorted(states()) == ["ready"] * 3 + ["standby"] * 3

        def ask(at: int) -> tuple[int, bool]:
            status, answer = server.post(NAMES[at % 6], [[1, 2, 3, 4]])
            right = [x + at % 6 for x in (1, 2, 3, 4)]
            return status, status == 200 and answer["outputs"][0]["data"] == right

        with ThreadPoolExecutor(12) as pool:
            ended = list(pool.map(ask, range(36)))
        assert ended == [(200, True)] * 36
        # One after the other as well, each of which may push another one out.
        assert [ask(at) for at in range(6)] == [(200, True)] * 6
        assert states().count("ready") <= 3


def test_whatever_is_asked_of_one_that_was_never_in_memory_is_answered(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write(models)
    limits = ["--limit", "max_loaded=1", "--limit", "load_wait_ms=120000"]
    with ready(models, tmp_path / "state", *limits) as server:
        over_http, over_grpc = http.InferenceServerClient(server.http), _over_grpc(server)
        index = over_http.get_model_repository_index()
        assert {one["state"] for one in index} == {"READY"}, "for all of them would answer"
        assert over_http.get_model_metadata("b")["versions"] == ["1"]
        assert over_grpc.get_model_config("c", as_json=True)["config"]["input"][0]["name"] == "x"
        raw = np.ones((1, 4), np.float32).tobytes()
        status, answer = _post(server, "d/infer", raw, "application/octet-stream")
        assert (status, answer["outputs"][0]["data"]) == (200, [4.0] * 4)
        status, answer = _post(server, "e/generate", b'{"x": [1, 2, 3, 4]}', "application/json")
        assert (status, answer["y"]) == (200, [5.0, 6.0, 7.0, 8.0])


def _over_grpc(server: LocalServer) -> grpc.InferenceServerClient:
    return grpc.InferenceServerClient(server.grpc)


def _post(server: LocalServer, path: str, body: bytes, kind: str) -> tuple[int, dict[str, Any]]:
    url = f"http://{server.http}/v2/models/{path}"
    return server.send(Request(url, body, {"Content-Type": kind}))
