"""Models that `headrace new` writes, and what `headrace check` says of any."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.conftest import WORKING
from typer.testing import CliRunner

from headrace.cli import checking
from headrace.cli.commands import app


def test_a_new_model_works_as_it_is_written(tmp_path: Path) -> None:
    run = CliRunner()
    written = run.invoke(app, ["new", str(tmp_path / "models" / "my-model.2")])
    assert written.exit_code == 0
    assert "class MyModel2(Model)" in (tmp_path / "models/my-model.2/1/model.py").read_text()
    checked = run.invoke(app, ["check", str(tmp_path / "models")])
    assert checked.exit_code == 0
    assert "my-model.2/1: loaded in" in checked.output
    assert "64 rows" in checked.output
    again = run.invoke(app, ["new", str(tmp_path / "models" / "my-model.2")])
    assert "nothing was written" in str(again.exception)


def test_a_new_model_that_answers_in_parts_is_put_to_work(tmp_path: Path) -> None:
    run = CliRunner()
    run.invoke(app, ["new", "--streams", str(tmp_path / "talk")])
    checked = run.invoke(app, ["check", str(tmp_path / "talk"), "--json"])
    (last,) = json.loads(checked.output)["batches"][-1:]
    assert (last["rows"], last["steps"], last["parts"]) == (32, 5, 128)


STREAM = """
from headrace import Model, Tensor

class One(Model):
    inputs = outputs = [Tensor("x", "INT64", [1])]
    def load(self, context):
        {load}
    def stream(self, batch):
        {stream}
        yield {{"x": batch["x"]}}
"""


@pytest.mark.parametrize(
    ("load", "stream", "verdicts", "code"),
    [
        ("pass", "pass", ["loaded in _, and works"], 0),
        ("pass", "return", ["loaded in _, and works", "no part came"], 0),
        ("pass", "batch.reject(0, 'no')", ["loaded in", "rejected: no", "example() in"], 0),
        ("raise OSError('gone')", "pass", ["one/1: FAILED to load\n", "OSError: gone"], 1),
        (
            "self.left = 2",
            "self.left -= 1; 1 // (self.left + 1)",
            ["one/1: FAILED to run; it loaded in _\n", "ZeroDivisionError"],
            1,
        ),
        (
            "self.left = 3",
            "self.left -= 1; 1 // (self.left + 1)",
            ["FAILED to run; it loaded in _, after it worked with 1 rows\n"],
            1,
        ),
    ],
)
def test_a_check_has_one_verdict(
    write_model: Callable[..., Path], load: str, stream: str, verdicts: list[str], code: int
) -> None:
    models = write_model(
        "one", source=STREAM.format(load=load, stream=stream), yaml="streams: true"
    )
    result = CliRunner().invoke(app, ["check", str(models)])
    assert result.exit_code == code
    output = re.sub(r"[0-9.]+ s\b", "_", result.output)
    for verdict in verdicts:
        assert verdict in output
    assert result.output.count("loaded in") + result.output.count("FAILED to load") == 1


def test_what_calls_other_models_is_run_until_there(write_model: Callable[..., Path]) -> None:
    source = WORKING.replace("...", "self.context = context").replace(
        '{"y": batch["x"] * 2}', 'self.context.call("back", {"x": batch["x"]})'
    )
    result = CliRunner().invoke(app, ["check", str(write_model(source=source))])
    assert result.exit_code == 0
    assert "s, and calls other models: run it in a server" in result.output


def test_check_fails_with_the_traceback(write_model: Callable[..., Path]) -> None:
    models = write_model(source="raise SystemExit('no weights')")
    result = CliRunner().invoke(app, ["check", str(models), "--json"])
    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (told["ok"], told["version"]) == (False, "doubler/1")
    assert "SystemExit: no weights" in told["error"]


@pytest.mark.parametrize(
    ("max_rows", "sizes"),
    [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (64, [1, 2, 4, 8, 16, 32, 64])],
)
def test_the_sizes_that_are_checked(max_rows: int, sizes: list[int]) -> None:
    assert checking.sizes(max_rows) == sizes
