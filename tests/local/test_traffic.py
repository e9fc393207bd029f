"""Who answers: names for versions, over a server's life."""

from pathlib import Path

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
