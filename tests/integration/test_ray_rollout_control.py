"""A control on Ray: hosts of its own, which are replaced as any, and end with the rollout."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.integration.conftest import Serve, until, write_model
from tests.integration.load import load
from tests.integration.models import IDENTITY

#: Of hosts that are started and replaced on a busy machine.
PATIENCE_S = 120.0
PLAN = """
rollouts:
  default:
    steps_percent: [30, 100]
    control: own
    judge: {errors: {max_increase_points: 5}}
    minimum: {units: 50, minutes: 60}
    max_crashes: 5
  alike:
    kind: a/a
    steps_percent: [50]
    judge: {errors: {}}
    max_hours: 0.005
"""


def test_a_control_has_a_host_of_its_own(serve: Serve, tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_model(models, "one", IDENTITY.format(pause=0), PLAN)
    run = serve(models)

    def rollout(number: int = 1) -> Any:
        return run.get(f"{run.console}/api/rollouts/{number}")

    def controls() -> list[Any]:
        (one,) = run.get(f"{run.console}/api/status")["models"]
        return [(row["state"], row["process"], row["share_percent"]) for row in one["controls"]]

    def counted() -> float:
        return float(rollout()["metrics"][0]["control"]["units"])

    there = [("ready", "one/1+control", 30)]
    write_model(models, "one", IDENTITY.format(pause=0), PLAN, version=2)
    run.command("load", "one/2")
    with load(run, "one"):
        said = run.command("rollout", "start", "one/2", "--dry-run")
        assert "a second time, on 1 host more" in said, said
        assert "MiB of memory" in said, said
        run.command("rollout", "start", "one/2")
        until(lambda: controls() == there, PATIENCE_S, "the control has its share")
        until(lambda: counted() > 50, PATIENCE_S, "it is counted")
        assert rollout()["arms"] == {"candidate": "2", "baseline": "1+control"}
        (host,) = run.pids("one/1+control")
        assert host not in run.pids("one/1")
        os.kill(host, signal.SIGKILL)
        until(lambda: rollout()["crashes"]["baseline"] == 1, PATIENCE_S, "its crash is counted")
        until(lambda: controls() == there, PATIENCE_S, "it is replaced")
        before = counted()
        until(lambda: counted() > before + 50, PATIENCE_S, "it is counted again")
        run.command("rollout", "rollback", "1")
        until(lambda: not controls(), PATIENCE_S, "it ends with the rollout")
        until(lambda: not run.pids("one/1+control"), PATIENCE_S, "and so does its process")
        run.command("rollout", "start", "one/1", "--plan", "alike")
        until(lambda: rollout(2)["end"] is not None, PATIENCE_S, "the A/A test ends")
        assert "no difference of one version from itself" in rollout(2)["said"][-1]["why"]
        until(lambda: not controls(), PATIENCE_S, "and nothing is left of it")
