"""A version on Ray that gets more and more of the traffic, or none."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import Run, Serve, until, write_model
from tests.integration.load import load
from tests.integration.models import IDENTITY

#: Of one rollout on a busy machine, with hosts that are replaced meanwhile.
PATIENCE_S = 120.0
PLAN = """
rollouts:
  default:
    steps_percent: [20, 50, 100]
    judge: {errors: {max_increase_points: 5}}
    minimum: {units: 50, minutes: 0}
    max_crashes: 1
    max_hours: 1
"""
#: What callers send, and no warm-up does.
VALUE = 7.25
#: Ends its process, as a bug in native code does, at the tenth batch of each life.
CRASHER = IDENTITY.replace(
    "time.sleep({pause})",
    f"""if batch["x"][0, 0] == {VALUE}:
                self.ran = getattr(self, "ran", 0) + 1
                if self.ran == 10:
                    os._exit(3)""",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    write_model(models, "one", IDENTITY.format(pause=0), PLAN)
    return models


@pytest.fixture(scope="module")
def run(serve: Serve, models: Path) -> Run:
    return serve(models)


def rollout(run: Run, number: int) -> Any:
    return run.get(f"{run.console}/api/rollouts/{number}")


def ended(run: Run, number: int) -> tuple[str, str]:
    until(lambda: rollout(run, number)["end"] is not None, PATIENCE_S, "it ends")
    found = rollout(run, number)
    return found["end"], found["said"][-1]["why"]


def test_one_that_crashes_goes_back_and_a_good_one_outlives_its_gateway(
    run: Run, models: Path
) -> None:
    write_model(models, "one", CRASHER.replace("{{", "{").replace("}}", "}"), PLAN, version=2)
    write_model(models, "one", IDENTITY.format(pause=0), PLAN, version=3)
    with load(run, "one", value=VALUE):
        run.command("load", "one/2")
        run.command("rollout", "start", "one/2")
        end, why = ended(run, 1)
        assert end == "rolled back", why
        assert "version 2 crashed" in why, why
        assert "the control 0; 1 more are allowed" in why, why
        run.command("unload", "one/2")
        run.command("load", "one/3")
        run.command("rollout", "start", "one/3")
        until(
            lambda: rollout(run, 2)["metrics"][0]["candidate"]["units"] > 0,
            PATIENCE_S,
            "it is counted",
        )
        os.kill(run.pids("gateway")[0], signal.SIGKILL)
        end, why = ended(run, 2)
        assert end == "promoted", why
        assert rollout(run, 2)["gateways"] == 2
    assert "rollout 2 promoted: 3=100" in run.command("journal", "one")
