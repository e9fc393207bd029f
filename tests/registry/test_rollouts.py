"""A rollout of a registered model, as MLflow's own client reads it afterwards."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.receiver import documented
from tests.local.callers import traffic, until
from tests.local.conftest import LocalServer, ready
from tests.registry.conftest import log_all

from headrace.registry.report import PNG

YAML = """
source: models:/kinds@champion
mlflow: {champion: champion}
rollouts:
  default:
    steps_percent: [50, 100]
    judge: {errors: {max_increase_points: 10}}
    minimum: {units: 50, minutes: 0}
"""
BODY = json.dumps(
    {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]}
            for name in ("width", "height")
        ]
    }
)


@contextmanager
def registered(tmp_path: Path, yaml: str) -> Iterator[tuple[Any, LocalServer]]:
    """MLflow's client, and a server of kinds, of which the champion is the first version."""
    from mlflow import MlflowClient

    state, models = tmp_path / "state", tmp_path / "models"
    state.mkdir()
    uri = f"sqlite:///{state / 'mlflow.db'}"
    log_all(uri, state / "artifacts")
    client = MlflowClient(uri)
    client.set_registered_model_alias("kinds", "champion", "1")
    (models / "kinds").mkdir(parents=True)
    (models / "kinds" / "model.yaml").write_text(yaml)
    with ready(models, state) as server:
        yield client, server


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_states_metrics_and_verdict_and_the_alias_moves(tmp_path: Path) -> None:
    with registered(tmp_path, YAML) as (client, server):
        server.command("load", "kinds/2")
        with traffic(server, "kinds", BODY) as answered:
            server.command("rollout", "start", "kinds/2", "--why", "a better one")
            url = f"{server.console}/api/rollouts/1"
            until(lambda: server.get(url)[1]["end"] is not None)
        assert set(answered) == {200}
        assert server.get(url)[1]["end"] == "promoted", server.get(url)[1]["said"][-1]
        told(server)
        said = server.command("rollout", "show", "1")
        new, old = (client.get_model_version("kinds", version) for version in ("2", "1"))
        assert new.tags["headrace.verdict"] == "promoted"
        assert "no metric is worse than allowed" in new.tags["headrace.reason"]
        assert state_and_share(new.tags) == ("serving", "100")
        assert state_and_share(old.tags) == ("held", "0")
        run = new.tags["headrace.run"]
        assert run in said
        history = client.get_metric_history(run, "candidate/errors_units")
        assert history[-1].value >= 50
        assert client.get_metric_history(run, "baseline/p99_ms")
        assert client.get_run(run).info.status == "FINISHED"
        picture = Path(client.download_artifacts(run, "verdict.png", str(tmp_path)))
        assert picture.read_bytes().startswith(PNG)
        assert client.get_model_version_by_alias("kinds", "champion").version == 2
        # A day later somebody thinks otherwise.
        server.command("rollout", "rollback", "1")
        told(server)
    new, old = (client.get_model_version("kinds", version) for version in ("2", "1"))
    assert new.tags["headrace.verdict"] == "rolled_back"
    assert state_and_share(new.tags) == ("rolled_back", "0")
    assert state_and_share(old.tags) == ("serving", "100")
    assert client.get_model_version_by_alias("kinds", "champion").version == 1


@pytest.mark.filterwarnings("ignore")
def test_what_a_pipeline_registers_and_asks_for_has_a_rollout_by_itself(tmp_path: Path) -> None:
    load = documented()["load"]
    with registered(tmp_path, YAML + "versions: {on_new: rollout}") as (client, server):
        load(server.console, "", "kinds", 2)
        url = f"{server.console}/api/rollouts/1"
        until(lambda: server.get(url)[0] == 200)
        found = server.get(url)[1]
        assert (found["candidate"], found["baseline"], found["end"]) == (2, 1, None)
        assert client.get_model_version_by_alias("kinds", "champion").version == 1


def told(server: LocalServer) -> None:
    """Wait until the registry has heard of everything."""
    url = f"{server.console}/api/reports"
    until(lambda: (found := server.get(url)[1]["reports"]) and not found[0]["pending"])


def state_and_share(tags: Mapping[str, str]) -> tuple[str, str]:
    return tags["headrace.state"], tags["headrace.traffic_percent"]
