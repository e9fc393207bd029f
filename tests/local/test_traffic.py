"""Who answers: names for versions, over a server's life."""

import json
import os
import re
import shlex
import time
from pathlib import Path

import pytest
from tests.local.callers import until
from tests.local.conftest import PATIENCE_S, ready
from tests.local.test_lifecycle import model, write

ONES = [1.0] * 4
ASKS = """
from headrace import Batch, Context, Model, Tensor

class Asks(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None:
        self.context = context

    def predict(self, batch: Batch):
        return self.context.call("times", {"x": batch["x"]}, version=1)
"""


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
    asking = tmp_path / "models" / "asks" / "1"
    asking.mkdir(parents=True)
    (asking / "model.py").write_text(ASKS)
    monkeypatch.setenv("HEADRACE_PIN_KEY", key)
    with ready(tmp_path / "models", tmp_path / "state", "--pin-header", "X-Pin") as server:
        monkeypatch.delenv("HEADRACE_PIN_KEY")
        status, body = server.post("times/versions/1", ONES)
        assert (status, "send its key as 'x-pin'" in body["error"]) == (403, True)
        assert server.post("times", ONES)[0] == 200
        assert server.post("times/versions/1", ONES, headers={"X-Pin": key})[0] == 200
        # A model is the operator's own.
        assert server.post("asks", ONES)[0] == 200
        assert key not in server.output()
    kept = [Path(folder) / name for folder, _, names in os.walk(server.state) for name in names]
    assert kept
    assert not [one for one in kept if key.encode() in one.read_bytes()]


def test_the_worst_pairs_of_a_shadow_can_be_sent_again_and_end_with_it(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write(models, 1, model(1))
    with ready(models, tmp_path / "state") as server:
        write(models, 2, model(2))
        server.command("load", "times/2")
        nothing = server.command("shadow", "times", "2", "--worst", code=1)
        assert "no pairs are kept of version 2" in nothing
        server.command("shadow", "times", "2", "--repeatable", "--keep-worst", "2")
        folder = server.state / "worst"
        until_s = time.monotonic() + PATIENCE_S
        while len(list(folder.glob("times*/[0-9]*/about.json"))) < 2:
            assert server.post("times", [1.0, 2.0, 3.0, 4.0])[0] == 200
            assert time.monotonic() < until_s
        told = server.command("shadow", "times", "2", "--worst")
        assert "2 of 2 pairs, in " in told
        (first, _) = re.findall("^1 .* curl (.*)$", told, re.MULTILINE)
        _, file, url = shlex.split(first)
        request = Path(file.removeprefix("@"))
        body = json.loads(request.read_text())
        assert (url, body["inputs"][0]["data"]) == (
            f"http://{server.http}/v2/models/times/versions/2/infer",
            [1.0, 2.0, 3.0, 4.0],
        )
        assert "2.0, 4.0" in server.command("infer", "times/2", str(request), "--json")
        for version, data in ((1, [1.0, 2.0, 3.0, 4.0]), (2, [2.0, 4.0, 6.0, 8.0])):
            answer = json.loads((request.parent / f"answer-{version}.json").read_text())
            assert answer["outputs"][0]["data"] == data
        assert {one.stat().st_mode & 0o077 for one in (folder, *folder.rglob("*"))} == {0}
        server.command("shadow", "times", "2", "off")
        until(lambda: not list(folder.glob("*")))
