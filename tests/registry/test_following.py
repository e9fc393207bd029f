"""An alias that moves, and a registry that goes, while a server serves and before it starts."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer, ready
from tests.registry.conftest import Logged
from tests.registry.test_resolving import folder_of, nobody

from headrace.registry.cache import let_go
from headrace.repository.folder import find


def shares(server: LocalServer) -> dict[int, float]:
    (model,) = server.get(f"{server.console}/api/status")[1]["models"]
    return {one["version"]: one["share_percent"] for one in model["versions"]}


@pytest.mark.filterwarnings("ignore")
def test_an_alias_that_moves_moves_no_traffic_and_a_load_follows_it(
    logged: Logged, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    client: Any = MlflowClient(logged.uri)
    models, state = tmp_path / "models", tmp_path / "state"
    (models / "kinds").mkdir(parents=True)
    yaml = f"source: models:/kinds@champion\nmlflow: {{registry: '{logged.uri}'}}\n"
    (models / "kinds" / "model.yaml").write_text(yaml)
    try:
        with ready(models, state) as server:
            assert shares(server) == {1: 100}
            client.set_registered_model_alias("kinds", "champion", "2")
            assert "kinds/2: ready" in server.command("load", "kinds")
            assert shares(server) == {1: 100, 2: 0}
            server.command("unload", "kinds/2")
        # 2 is what the alias names; 1 has the traffic, and was wanted.
        with ready(models, state) as server:
            assert shares(server) == {1: 100}
    finally:
        client.set_registered_model_alias("kinds", "champion", "1")


def test_without_the_state_folders_own_database_what_is_here_is_served(
    logged: Logged, tmp_path: Path
) -> None:
    database, said = tmp_path / "mlflow.db", list[str]()
    shutil.copy(logged.state / "mlflow.db", database)
    models = folder_of(tmp_path, "source: models:/kinds@champion\n")
    (here,) = find(models, tmp_path, nobody)
    database.unlink()
    assert find(models, tmp_path, said.append)[0].folder == here.folder
    assert "there is no" in said[-1]
    assert "taken is what is here, version 1" in said[-1]
    let_go(here.folder)
