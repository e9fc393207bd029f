"""A version that was rolled back, on a real server: it gets no traffic by itself any more."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer, ready
from tests.local.test_rollouts import shares

MODEL = """
from headrace import Batch, Model, Tensor

class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def predict(self, batch: Batch):
        return {{"y": batch["x"] * {by}}}
"""
PLAN = (
    "versions: {on_new: swap}\nrollouts:\n  default: {judge: {errors: {}}, steps_percent: [50]}\n"
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    for version in (1, 2):
        write(models / "one" / str(version), by=version)
    (models / "one" / "model.yaml").write_text(PLAN)
    return models


def write(folder: Path, by: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(MODEL.format(by=by))


def quarantined(server: LocalServer) -> dict[int, str]:
    rows: Any = server.get(f"{server.console}/api/versions?model=one")[1]["versions"]
    return {one["version"]: one["quarantined"] for one in rows if one["quarantined"]}


def answer(server: LocalServer, version: str = "") -> Any:
    model = f"one/versions/{version}" if version else "one"
    status, body = server.post(model, [1, 1, 1, 1])
    return body["outputs"][0]["data"][0] if status == 200 else status


def roll_back(server: LocalServer) -> None:
    server.command("split", "one", "1=100")
    server.command("rollout", "start", "one/2")
    server.command("rollout", "rollback", "1", "--why", "it is wrong")


def test_what_was_rolled_back_gets_no_traffic_until_it_is_released(
    tmp_path: Path, models: Path
) -> None:
    state, aside = tmp_path / "state", tmp_path / "aside"
    with ready(models, state) as server:
        roll_back(server)
        assert list(quarantined(server)) == [2]
        assert "quarantined, rollout 1 rolled it back on" in server.command("versions", "one")
        for words in (
            ("split", "one", "1=50", "2=50"),
            ("alias", "one", "new", "2"),
            ("load", "one/2", "--swap"),
            ("rollout", "start", "one/2"),
            ("rollout", "start", "one/2", "--dry-run"),
            ("undo", journal(server)),
        ):
            said = server.command(*words, code=1)
            assert "it is wrong" in said, said
            assert "`headrace rollout release one/2 --why …`" in said, said
        # Its model.yaml would have it swap; who names it has it all the same.
        server.command("unload", "one/2")
        said = server.command("load", "one")
        assert "one/2 gets no traffic: it is quarantined, rollout 1" in said
        assert (answer(server), answer(server, "2"), shares(server)) == (1, 2, {1: 100, 2: 0})
        assert server.end() == 0
    # Away for one start, and back.
    shutil.move(models / "one" / "2", aside)
    with ready(models, state) as server:
        assert server.end() == 0
    shutil.move(aside, models / "one" / "2")
    with ready(models, state) as server:
        assert (answer(server), answer(server, "2"), shares(server)) == (1, 2, {1: 100, 2: 0})
        assert "one/2 gets no traffic: it is quarantined" in server.command("logs", "-n", "100")
        said = server.command("rollout", "release", "one/2", "--why", "it was the data")
        assert "one/2 is released" in said
        assert "it was the data" in server.command("journal", "one")
        assert (quarantined(server), answer(server)) == ({}, 1)
        server.command("load", "one/2", "--swap")
        assert answer(server) == 2
        assert server.command("rollout", "release", "one/2", code=1)


def test_other_files_under_its_number_are_another_version(tmp_path: Path, models: Path) -> None:
    with ready(models, tmp_path / "state") as server:
        roll_back(server)
        write(models / "one" / "2", by=3)
        # What is loaded is still what it was.
        assert list(quarantined(server)) == [2]
        server.command("split", "one", "2=100", code=1)
        server.command("unload", "one/2")
        server.command("load", "one/2")
        assert answer(server) == 3
        assert quarantined(server) == {}
        # And back.
        server.command("load", "one/1", "--swap")
        write(models / "one" / "2", by=2)
        server.command("load", "one/2", "--swap", code=1)
        assert list(quarantined(server)) == [2]


def test_where_there_is_no_other_requests_that_name_none_have_no_answer(
    tmp_path: Path, models: Path
) -> None:
    with ready(models, tmp_path / "state") as server:
        roll_back(server)
        assert server.end() == 0
    shutil.rmtree(models / "one" / "1")
    with ready(models, tmp_path / "state") as server:
        assert (answer(server), answer(server, "2")) == (503, 2)
        server.command("rollout", "release", "one/2")
        assert answer(server) == 2


def journal(server: LocalServer) -> str:
    last = server.command("journal", "one", "--limit", "1", "--json")
    return str(json.loads(last)["number"])
