"""A version that gets more and more of real traffic, or none, by what it does with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.local.callers import traffic, until
from tests.local.conftest import LocalServer, ready, start

PLAN = """
rollouts:
  default:
    steps_percent: [20, 50, 100]
    judge: {errors: {max_increase_points: 3}, p50: {max_ratio: 10}}
    minimum: {units: 50, minutes: 0}
    max_hours: 1
  patient:
    steps_percent: [50, 100]
    judge: {errors: {max_increase_points: 3}}
    minimum: {units: 50, minutes: 60}
    approval: promotion
  alike:
    steps_percent: [50, 100]
    judge: {agreement: {min_percent: 90, mirror_percent: 100, repeatable: true}}
    minimum: {units: 20, minutes: 0}
  mirrored:
    kind: shadow-first
    steps_percent: [50, 100]
    judge: {agreement: {min_percent: 90, mirror_percent: 100, repeatable: true}}
    minimum: {units: 20, minutes: 0}
"""
BODY = json.dumps(
    {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0]}]}
)
MODEL = """
import random, time
from headrace import Batch, Context, Model, Tensor

class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None:
        self.dice = random.Random(1)

    def predict(self, batch: Batch):
        {does}
        return {{"y": {y}}}
"""
#: Version → what it does before it answers.
DOES = {
    1: "pass",
    2: 'if self.dice.random() < 0.2: raise ValueError("by chance")',
    # Far more than ten times what a busy machine takes for the others.
    3: "time.sleep(0.3)",
    4: "pass",
    5: "pass",
}
#: Version → what it answers where that is not what came: broken preprocessing.
ANSWERS = {5: '-batch["x"]'}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for version, does in DOES.items():
        folder = models / "one" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(
            MODEL.format(does=does, y=ANSWERS.get(version, 'batch["x"]'))
        )
    (models / "one" / "model.yaml").write_text(PLAN)
    return models


def rollout(server: LocalServer, number: int) -> Any:
    return server.get(f"{server.console}/api/rollouts/{number}")[1]


def ended(server: LocalServer, number: int) -> tuple[str, str]:
    until(lambda: rollout(server, number)["end"] is not None)
    found = rollout(server, number)
    return found["end"], found["said"][-1]["why"]


def shares(server: LocalServer) -> dict[int, float]:
    found = server.get(f"{server.console}/api/status")[1]["models"]
    return {one["version"]: one["share_percent"] for one in found[0]["versions"]}


def test_bad_versions_go_back_and_a_good_one_is_promoted(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        with traffic(server, "one", BODY):
            told = server.command("rollout", "start", "one/2", "--why", "newer")
            assert "rollout 1 of one: version 2 against 1, before its first step" in told
            end, why = ended(server, 1)
            assert (end, "errors: " in why, "worse than allowed" in why) == (
                "rolled back",
                True,
                True,
            )
            server.command("rollout", "start", "one/3")
            end, why = ended(server, 2)
            assert (end, "p50: " in why, "worse than allowed" in why) == ("rolled back", True, True)
            assert shares(server)[1] == 100
            server.command("rollout", "start", "one/4")
            end, why = ended(server, 3)
            assert (end, "no metric is worse than allowed" in why) == ("promoted", True), why
        assert shares(server) == {1: 0, 2: 0, 3: 0, 4: 100, 5: 0}
        lines = server.command("journal", "one", "-n", "3")
        assert "rollout 3 promoted: 4=100" in lines
        assert "rollout 3: 1=50 4=50" in lines
        listed = server.command("rollout", "list")
        assert [line.split()[0] for line in listed.splitlines()[1:]] == ["1", "2", "3"]
        assert "p50" in server.command("rollout", "show", "2")
        server.command("rollout", "rollback", "3", "--why", "on second thoughts")
        assert shares(server)[1] == 100


def test_one_that_answers_otherwise_goes_back_and_one_that_does_not_stays(
    tmp_path: Path, models: Path
) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        # Copies are sent while nobody is served.
        with traffic(server, "one", BODY, pause_s=0.05) as answered:
            server.command("rollout", "start", "one/5", "--plan", "alike")
            end, why = ended(server, 1)
            assert (end, "agreement: 100 % bad, 10 % allowed" in why) == ("rolled back", True), why
            server.command("rollout", "start", "one/4", "--plan", "alike")
            end, why = ended(server, 2)
            assert (end, "agreement: 0 % bad" in why) == ("promoted", True), why
        assert set(answered) == {200}


def test_a_version_is_proven_by_mirrored_traffic_before_anybody_has_its_answers(
    tmp_path: Path, models: Path
) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        with traffic(server, "one", BODY, pause_s=0.05):
            server.command("rollout", "start", "one/5", "--plan", "mirrored")
            end, why = ended(server, 1)
            assert (end, "agreement: 100 % bad, 10 % allowed" in why) == ("rolled back", True), why
            entries = server.command("journal", "one").splitlines()
            mine = [one for one in entries if "rollout 1" in one]
            assert mine, entries
            assert not any("5=" in one for one in mine), "nobody had its answers"
            server.command("rollout", "start", "one/4", "--plan", "mirrored")
            end, why = ended(server, 2)
            assert (end, "agreement: 0 % bad" in why) == ("promoted", True), why
        said = [one["why"] for one in rollout(server, 2)["said"]]
        assert any("units of each metric at 0 %" in one for one in said), said


def test_who_is_killed_goes_on_where_it_was(tmp_path: Path, models: Path) -> None:
    state = tmp_path / "state"
    with ready(models, state) as server:
        server.command("split", "one", "1=100")
    first = start(models, state)
    with traffic(first, "one", BODY):
        first.wait_ready()
        first.command("rollout", "start", "one/4", "--plan", "patient")

        def units(server: LocalServer) -> float:
            return float(rollout(server, 1)["metrics"][0]["candidate"]["units"])

        until(lambda: units(first) >= 50)
        # What a person says is written down at once, with all that was seen.
        first.command("rollout", "approve", "1")
        first.process.kill()
        first.process.wait()
        second = start(models, state, port=first.port)
        try:
            second.wait_ready()
            kept = units(second)
            assert kept >= 50
            until(lambda: units(second) > kept + 50)
            found = rollout(second, 1)
            assert (found["end"], found["percent"], found["gateways"]) == (None, 50, 2)
            assert shares(second)[4] == 50
            second.command("rollout", "promote", "1", "--why", "for a test")
            assert shares(second)[4] == 100
            assert second.end() == 0
        finally:
            second.process.kill()
            second.process.wait()
