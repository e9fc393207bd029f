"""Who answers: names for versions, over a server's life."""

import os
from pathlib import Path

import pytest
from tests.local.conftest import ready
from tests.local.test_lifecycle import model, write

ONES = [1.0] * 4


def test_an_alias_moves_stays_over_a_start_and_keeps_its_version(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for number in (1, 2):
        write(models, number, model(number))
    with ready(models, tmp_path / "state") as server:
        assert server.post("times/versions/best", ONES)[0] == 404
        assert "times/best is version 1" in server.command("alias", "times", "best", "1")
        assert server.post("times/versions/best", ONES)[1]["model_version"] == "1"
        assert "the alias best leads to version 1" in server.command("unload", "times/1", code=1)
        (models / "times" / "3").mkdir()
        (models / "times" / "3" / "model.py").write_text(model(3))
        server.command("load", "times/3", "--swap")
    with ready(models, tmp_path / "state") as server:
        assert server.post("times", ONES)[1]["model_version"] == "3"
        assert server.post("times/versions/best", ONES)[1]["model_version"] == "1"
        assert "times/1" in server.command("infer", "times/best")
        server.command("alias", "times", "best", "3")
        assert server.post("times/versions/best", ONES)[1]["model_version"] == "3"
        server.command("undo", server.command("journal", "times", "-n", "1").split()[6])
        assert server.post("times/versions/best", ONES)[1]["model_version"] == "1"
        server.command("alias", "times", "best", "--remove")
        assert server.post("times/versions/best", ONES)[0] == 404
        server.command("unload", "times/1")


def test_who_has_no_key_may_not_name_a_version_and_models_do_not_see_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "only-for-tests-0123456789"
    seen = "import os\nassert 'HEADRACE_PIN_KEY' not in os.environ"
    write(tmp_path / "models", 1, model(1, seen))
    monkeypatch.setenv("HEADRACE_PIN_KEY", key)
    with ready(tmp_path / "models", tmp_path / "state", "--pin-header", "X-Pin") as server:
        monkeypatch.delenv("HEADRACE_PIN_KEY")
        status, body = server.post("times/versions/1", ONES)
        assert (status, "send its key as 'x-pin'" in body["error"]) == (403, True)
        assert server.post("times", ONES)[0] == 200
        assert server.post("times/versions/1", ONES, headers={"X-Pin": key})[0] == 200
        assert key not in server.output()
    kept = [Path(folder) / name for folder, _, names in os.walk(server.state) for name in names]
    assert kept
    assert not [one for one in kept if key.encode() in one.read_bytes()]
