"""A model that does not agree with itself: a candidate is compared with how far it does."""

from pathlib import Path

from tests.local.callers import traffic
from tests.local.conftest import ready
from tests.local.test_rollouts import BODY, ended

#: Of three answers one has its numbers in another order; all of version 3's, in one of its own.
MODEL = """
import random
from headrace import Batch, Model, Tensor

class Noisy(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def predict(self, batch: Batch):
        order = [3, 2, 1, 0] if random.random() < 1 / 3 else [0, 1, 2, 3]
        return {{"y": batch["x"][:, [2, 3, 0, 1] if {version} == 3 else order]}}
"""
CONFIG = """
batching: {max_rows: 1}
rollouts:
  default:
    steps_percent: [50, 100]
    judge: {agreement: {max_drop_points: 25, mirror_percent: 100, repeatable: true}}
    minimum: {units: 20, minutes: 0}
    max_hours: 1
"""


def test_one_that_is_as_noisy_stays_and_one_that_is_wrong_goes_back(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for version in (1, 2, 3):
        folder = models / "noisy" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL.format(version=version))
    (models / "noisy" / "model.yaml").write_text(CONFIG)
    with ready(models, tmp_path / "state") as server:
        server.command("split", "noisy", "1=100")
        # Copies are sent while nobody is served.
        with traffic(server, "noisy", BODY, pause_s=0.05):
            server.command("rollout", "start", "noisy/2")
            end, why = ended(server, 1)
            assert (end, "no metric is worse than allowed: agreement" in why) == ("promoted", True)
            server.command("split", "noisy", "1=100")
            server.command("rollout", "start", "noisy/3")
            end, why = ended(server, 2)
            assert (end, "25 points more allowed" in why) == ("rolled back", True), why
