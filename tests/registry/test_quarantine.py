"""A version of a registry that was rolled back: whoever tags it again releases it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.local.callers import until
from tests.local.conftest import LocalServer, ready
from tests.registry.conftest import log_all
from tests.registry.test_rollouts import told

YAML = """
source: models:/kinds@champion
versions: {on_new: swap}
rollouts:
  default: {judge: {errors: {max_increase_points: 10}}, steps_percent: [50]}
"""


@pytest.mark.filterwarnings("ignore")
def test_a_tag_quarantines_a_version_and_another_one_releases_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    uri, models = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "models"
    log_all(uri, tmp_path / "artifacts")
    client = MlflowClient(uri)
    client.set_registered_model_alias("kinds", "champion", "1")
    (models / "kinds").mkdir(parents=True)
    (models / "kinds" / "model.yaml").write_text(YAML)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def tags() -> Mapping[str, str]:
        found: Mapping[str, str] = client.get_model_version("kinds", "2").tags
        return found

    with ready(models, tmp_path / "state") as server:
        server.command("load", "kinds/2", "--hold")
        server.command("rollout", "start", "kinds/2")
        server.command("rollout", "rollback", "1", "--why", "it is wrong")
        told(server)
        assert tags()["headrace.state"] == "rolled_back"
        assert tags()["headrace.rolled_back"] == tags()["headrace.rollout"]
        server.command("load", "kinds/2", "--swap", code=1)
        assert server.end() == 0
    # A server that knows nothing of that rollout.
    client.set_registered_model_alias("kinds", "champion", "1")
    with ready(models, tmp_path / "new") as server:
        client.set_registered_model_alias("kinds", "champion", "2")
        said = server.command("load", "kinds")
        assert "kinds/2 gets no traffic: it is quarantined, rollout 1 rolled it back" in said
        assert "it is wrong" in said
        assert shares(server) == {1: 100, 2: 0}
        said = server.command("split", "kinds", "1=50", "2=50", code=1)
        assert "another value of its tag headrace.state" in said
        client.set_model_version_tag("kinds", "2", "headrace.state", "candidate")
        server.command("split", "kinds", "1=50", "2=50")
        assert shares(server) == {1: 50, 2: 50}
        assert server.end() == 0
    # The one that rolled it back believes the tag, too.
    with ready(models, tmp_path / "state") as server:
        said = server.command("journal", "kinds")
        assert "rollout release 2" in said
        assert "its registry has it as candidate" in said
        server.command("rollout", "start", "kinds/2")
        server.command("rollout", "rollback", "2")
        server.command("rollout", "release", "kinds/2", "--why", "it was the network")
        told(server)
        until(lambda: tags()["headrace.state"] == "released")
        server.command("rollout", "start", "kinds/2")


def shares(server: LocalServer) -> dict[int, float]:
    found = server.get(f"{server.console}/api/status")[1]["models"]
    return {one["version"]: one["share_percent"] for one in found[0]["versions"]}
