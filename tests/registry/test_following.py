"""An alias that moves while a server serves, and before it is started again."""

from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer, ready
from tests.registry.conftest import Logged


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
