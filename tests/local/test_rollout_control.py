"""A version that stands twice in a real server: as the control of a rollout, and in an A/A test."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.local.callers import traffic, until
from tests.local.conftest import LocalServer, ready, start
from tests.local.test_rollouts import BODY, ended, rollout, shares

PLAN = """
rollouts:
  default:
    steps_percent: [20, 100]
    control: own
    judge: {errors: {max_increase_points: 3}, p99: {max_ratio: 50}}
    minimum: {units: 50, minutes: 60}
  quick:
    steps_percent: [40, 100]
    control: own
    judge: {errors: {max_increase_points: 5}}
    minimum: {units: 50, minutes: 0}
  alike:
    kind: a/a
    steps_percent: [50]
    judge: {errors: {}, p99: {max_ratio: 50}}
    max_hours: 0.002
"""
#: Answers with what it was told of itself, and with what no other instance has.
MODEL = """
import time
from pathlib import Path
import numpy as np
from headrace import Batch, Context, Model, Tensor

class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP64", [2])]

    def load(self, context: Context) -> None:
        if Path("{broken}").exists():
            raise OSError("there is no second one")
        self.told = [context.version, time.monotonic()]

    def predict(self, batch: Batch):
        if batch["x"][0, 0] == 9:
            raise ValueError("nine")
        return {{"y": np.array([self.told] * batch.rows)}}
"""
#: Of the requests whose answers are told apart.
ASKED = 500


@pytest.fixture
def models(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for version in (1, 2):
        folder = models / "one" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL.format(broken=tmp_path / "broken"))
    (models / "one" / "model.yaml").write_text(PLAN)
    return models


def answers(server: LocalServer) -> Counter[tuple[str, float, float]]:
    """Return how many requests had which answer: the version in it, and what the model knows."""
    found: Counter[tuple[str, float, float]] = Counter()
    for _ in range(ASKED):
        status, body = server.post("one", [0, 0, 0, 0])
        assert status == 200, body
        told, instance = body["outputs"][0]["data"]
        found[body["model_version"], told, instance] += 1
    return found


def controls(server: LocalServer) -> list[Any]:
    found = server.get(f"{server.console}/api/status")[1]["models"][0]["controls"]
    return [(one["version"], one["state"], one["share_percent"]) for one in found]


def metrics(server: LocalServer) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{server.port + 2}/metrics", timeout=60) as page:
        return str(page.read().decode())


def test_a_control_has_what_the_candidate_has_and_ends_with_the_rollout(
    tmp_path: Path, models: Path
) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        said = server.command("rollout", "start", "one/2", "--dry-run")
        assert "loaded a second time, on 1 host more" in said, said
        with traffic(server, "one", BODY):
            server.command("rollout", "start", "one/2")
            until(lambda: controls(server) == [(1, "ready", 20)])
            assert shares(server) == {1: 60, 2: 20}
            counted = answers(server)
            until(lambda: rollout(server, 1)["metrics"][0]["control"]["units"] > 200)
        # To callers, and to itself, it is version 1.
        assert {(version, told) for version, told, _ in counted} == {("1", 1.0), ("2", 2.0)}
        first, second, candidate = sorted(counted.items(), key=lambda one: (one[0][0], -one[1]))
        assert 0.6 * ASKED - 60 < first[1] < 0.6 * ASKED + 60
        for _, count in (second, candidate):
            assert 0.2 * ASKED - 50 < count < 0.2 * ASKED + 50
        told = rollout(server, 1)
        arms = [told["metrics"][0][arm]["units"] for arm in ("candidate", "control")]
        assert 0.6 < arms[0] / arms[1] < 1.6, "one has as many as the other, and the rest has more"
        assert told["arms"] == {"candidate": "2", "baseline": "1+control"}
        failed = {server.post("one", [9, 0, 0, 0])[1]["error"].split("[")[0] for _ in range(60)}
        assert failed == {
            f"model 'one' version {one} raised ValueError: nine " for one in ("1", "2")
        }
        assert 'version="1+control"' in metrics(server)
        _index_and_metadata(server)
        assert "1+control  ready" in server.command("status")
        assert "one/1+control | ready: loaded" in server.command("logs", "-n", "1000")
        _why(server)
        server.command("rollout", "stop", "1")
        until(lambda: not controls(server))
        assert shares(server) == {1: 80, 2: 20}
        # A row of metadata's statistics has both, also after it.
        stats = server.get(f"http://{server.http}/v2/models/one/versions/1/stats")[1]
        (row,) = stats["model_stats"]
        assert row["inference_count"] >= first[1] + second[1]
        assert len(answers(server)) == 2


def _index_and_metadata(server: LocalServer) -> None:
    """Callers see no other version, and cannot name it."""
    http = f"http://{server.http}/v2"
    assert server.get(f"{http}/models/one")[1]["versions"] == ["1", "2"]
    assert server.get(f"{http}/models/one/versions/{10**18 + 1}/ready")[0] in (400, 404)
    status, body = server.get(f"{http}/models/one/versions/{10**18 + 1}")
    assert (status, f"version {10**18 + 1} is not found" in body["error"]) == (404, True)
    assert server.get(f"{http}/models/one/versions/1%2Bcontrol")[0] == 404


def _why(server: LocalServer) -> None:
    for number in range(60):
        server.post("one", [0, 0, 0, 0], headers={"x-headrace-timing": "1"} | _named(number))
        kept = server.get(f"{server.console}/api/requests?limit=1")[1]["requests"][0]
        told = server.command("why", str(kept["call"]))
        if "whose control this is" in told:
            assert "of one/1 at" in told
            return
    raise AssertionError("no request of the control is kept")


def _named(number: int) -> dict[str, str]:
    return {"x-request-number": str(number)}


def test_a_good_version_is_promoted_beside_its_control(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        with traffic(server, "one", BODY) as answered:
            server.command("rollout", "start", "one/2", "--plan", "quick")
            end, why = ended(server, 1)
        assert end == "promoted", why
        until(lambda: not controls(server))
        assert (shares(server), set(answered)) == ({1: 0, 2: 100}, {200})
        assert "rollout 1: 1=20 2=40 1+control=40" in server.command("journal", "one")


def test_one_that_cannot_be_loaded_keeps_it_from_beginning(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        (tmp_path / "broken").touch()
        with traffic(server, "one", BODY) as answered:
            server.command("rollout", "start", "one/2")
            end, why = ended(server, 1)
        assert (end, "there is no second one" in why) == ("inconclusive", True), why
        assert (shares(server), controls(server), set(answered)) == ({1: 100, 2: 0}, [], {200})


def test_files_that_have_changed_are_no_control(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        file = models / "one" / "1" / "model.py"
        file.write_text(file.read_text() + "# another one\n")
        server.command("rollout", "start", "one/2")
        end, why = ended(server, 1)
        assert (end, "the files of one/1 have changed" in why) == ("inconclusive", True), why


def test_who_is_killed_goes_on_with_the_control(tmp_path: Path, models: Path) -> None:
    first = start(models, tmp_path / "state")
    with traffic(first, "one", BODY):
        first.wait_ready()
        first.command("split", "one", "1=100")
        first.command("rollout", "start", "one/2")
        until(lambda: controls(first) == [(1, "ready", 20)])
        first.process.kill()
        first.process.wait()
        second = start(models, tmp_path / "state", port=first.port)
        try:
            second.wait_ready()
            until(lambda: controls(second) == [(1, "ready", 20)])
            before = rollout(second, 1)["metrics"][0]["control"]["units"]
            until(lambda: rollout(second, 1)["metrics"][0]["control"]["units"] > before + 20)
            assert (rollout(second, 1)["end"], shares(second)) == (None, {1: 60, 2: 20})
            second.command("rollout", "rollback", "1")
            until(lambda: not controls(second))
            assert shares(second) == {1: 100, 2: 0}
            assert second.end() == 0
        finally:
            second.process.kill()
            second.process.wait()


def test_a_version_is_compared_with_itself(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        with traffic(server, "one", BODY) as answered:
            server.command("rollout", "start", "one/1", "--plan", "alike")
            until(lambda: controls(server) == [(1, "ready", 50)])
            assert {version for version, _, _ in answers(server)} == {"1"}
            until(lambda: rollout(server, 1)["metrics"][0]["candidate"]["units"] > 100)
            assert rollout(server, 1)["metrics"][0]["control"]["units"] > 100
            end, why = ended(server, 1)
        assert (end, "no difference of one version from itself" in why) == ("inconclusive", True)
        assert "version 1 against itself" in server.command("rollout", "show", "1")
        until(lambda: not controls(server))
        assert (shares(server), set(answered)) == ({1: 100, 2: 0}, {200})
