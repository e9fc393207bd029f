"""More versions than may be in memory: each is loaded when it is asked for."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.local.conftest import ready

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


def test_six_models_in_three_places_are_all_answered(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for plus, name in enumerate(NAMES):
        (models / name / "1").mkdir(parents=True)
        (models / name / "1" / "model.py").write_text(MODEL.format(plus=plus))
        (models / name / "model.yaml").write_text("placement: {isolation: shared}\n")
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
