"""What a version runs before it is ready: samples beside it, within its time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.test_runner import stand
from typer.testing import CliRunner

from headrace.cli.commands import app
from headrace.config.schema import ModelConfig
from headrace.errors import ModelInvalid
from headrace.execution import samples
from headrace.execution.trial import Trial
from headrace.execution.voices import Line
from headrace.execution.warming import Batches, batches, near_the_limit, recorded, smaller
from headrace.models import Tensor
from headrace.models.lifecycle import State
from headrace.processing.pixel import PIXEL
from headrace.repository.folder import Version

WriteModel = Callable[..., Path]

#: Says what it was given.
SAYS = """
from headrace import Model, Tensor
class Says(Model):
    inputs = [Tensor("x", "FP32", [2])]
    outputs = [Tensor("y", "FP32", [2])]
    def predict(self, batch):
        print("ran", batch["x"].ravel().tolist(), flush=True)
        {then}
        return {{"y": batch["x"]}}
"""


def request(rows: int, first: float = 1.0) -> str:
    data = [first + at for at in range(2 * rows)]
    return json.dumps(
        {"inputs": [{"name": "x", "shape": [rows, 2], "datatype": "FP32", "data": data}]}
    )


def beside(models: Path, **files: str) -> Path:
    folder = models / "doubler" / "1" / "samples"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_json", ".json")).write_text(text)
    return folder


def version(folder: Path, **config: Any) -> Version:
    return Version("m", 1, folder, "python", ModelConfig.model_validate(config))


@pytest.fixture
def lines() -> list[Line]:
    return []


@pytest.fixture
def models(write_model: WriteModel) -> Path:
    return write_model(source=SAYS.format(then=""), yaml="batching: {max_rows: 3}")


def test_each_sample_is_run_in_each_size_the_first_one_before_others(
    models: Path, lines: list[Line], capsys: pytest.CaptureFixture[str]
) -> None:
    beside(models, b_json=request(1, 7.0), a_json=request(2))
    moves, _ = stand(models, lines)
    assert moves[-1].state is State.GONE
    found = [json.loads(one[4:]) for one in capsys.readouterr().out.splitlines()]
    assert found == [
        [1.0, 2.0],
        # Its rows again, until there are enough.
        [1.0, 2.0, 3.0, 4.0, 1.0, 2.0],
        [7.0, 8.0],
        [7.0, 8.0] * 3,
        # The first one again, by its lane.
        [1.0, 2.0],
    ]


def test_what_a_model_raises_on_a_sample_fails_it(
    write_model: WriteModel, lines: list[Line]
) -> None:
    models = write_model(source=SAYS.format(then="raise ValueError('not this')"))
    moves, _ = stand(models, lines)
    assert State.READY in {one.state for one in moves}, "what was made up may be no input"
    beside(models, a_json=request(1))
    moves, _ = stand(models, lines)
    assert moves[-1].state is State.FAILED
    assert "not this" in moves[-1].reason


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a_json": "{"}, "a.json: Expecting property name"),
        ({"a_json": '{"z": [1]}'}, "a.json has z; the model takes x FP32"),
        ({"a_json": '{"x": [[1, 2, 3]]}'}, r"a.json has input 'x' as FP32\[1, 3\], not as FP32"),
        ({"a_json": '{"x": []}'}, "a.json has no row of input 'x'"),
        ({"a_json": '{"x": 1}'}, "a.json has no row of input 'x'"),
        (
            {"a_json": '{"inputs": [], "parameters": {}}'},
            "a.json is a request with parameters, and only its inputs would be sent",
        ),
        ({"notes.txt": "no"}, "notes.txt: expected .json, .npy"),
        ({f"{at}_json": "" for at in range(samples.MOST_FILES + 1)}, "has 65 files of 0.0 MiB"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(
    models: Path, lines: list[Line], files: dict[str, str], said: str
) -> None:
    beside(models, **files)
    with pytest.raises(ModelInvalid, match=said):
        samples.samples(version(models / "doubler" / "1"), [Tensor("x", "FP32", [2])])
    moves, _ = stand(models, lines)
    assert moves[-1].state is State.FAILED


def test_too_much_is_not_read(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = beside(models, a_json=request(1))
    monkeypatch.setattr(samples, "MOST_BYTES", 10)
    monkeypatch.setattr(samples, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ModelInvalid, match="at most 64 of 0 MiB"):
        samples.samples(version(folder.parent), [Tensor("x", "FP32", [2])])


def test_inputs_of_a_sample_have_as_many_rows(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    told = [
        {"name": name, "datatype": "FP32", "shape": [rows, 1], "data": [0.5] * rows}
        for name, rows in (("x", 2), ("y", 3))
    ]
    (folder / "a.json").write_text(json.dumps({"inputs": told}))
    with pytest.raises(ModelInvalid, match="has rows 2 of 'x', 3 of 'y'"):
        samples.samples(version(tmp_path), [Tensor(name, "FP32", [1]) for name in "xy"])


def test_a_picture_and_an_array_are_samples_too(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "cat.png").write_bytes(PIXEL)
    (folder / ".hidden").write_text("")
    (picture,) = samples.samples(version(tmp_path), [Tensor("image", "BYTES", [1])])
    assert picture.example(2)["image"].tolist() == [[PIXEL], [PIXEL]]
    (folder / "cat.png").unlink()
    np.save(folder / "x.npy", np.ones((2, 3), np.float32))
    # Without an axis of rows it is one row.
    unbatched = version(tmp_path, batching={"unbatched": True, "max_rows": 1})
    (one,) = samples.samples(unbatched, [Tensor("x", "FP32", [2, 3])])
    assert one.example(1)["x"].shape == (1, 2, 3)


def made_up(rows: int) -> None:
    return None


def test_no_batch_begins_after_its_time_and_one_is_run() -> None:
    times = iter([0.0, 1.0, 2.0, 3.0])
    planned = batches([1, 8], [made_up, made_up])
    first = Batches(planned, [], 2.0, lambda: next(times))
    assert [rows for rows, *_ in first] == [1, 8]
    assert first.left_out == (
        "warmed up for 2 s (warmup.max_s) with 2 of 4 batches: not with all of 1, 8 rows"
    )
    late = iter([0.0, 9.0])
    first = Batches([(4, made_up)], [], 1.0, lambda: next(late))
    assert [rows for rows, *_ in first] == [4]
    assert not first.left_out
    late = iter([0.0, 9.0])
    first = Batches([(4, made_up)], [(2, made_up)], 1.0, lambda: next(late))
    assert [is_own for *_, is_own in first] == [True]
    assert first.left_out.endswith("and not with all that was recorded")


def test_what_was_recorded_is_run_once_in_the_size_that_it_fits() -> None:
    kept = [samples.Sample({"x": np.zeros((rows, 1))}) for rows in (1, 3, 9)]
    planned = list(recorded([2, 4], kept))
    assert [rows for rows, _ in planned] == [2, 4, 4]
    assert planned[1][1](4) is not None


def test_its_time_is_said_in_the_log(write_model: WriteModel, lines: list[Line]) -> None:
    models = write_model(source=SAYS.format(then=""), yaml="warmup: {max_s: 0.000001}")
    moves, _ = stand(models, lines)
    assert State.READY in {one.state for one in moves}
    assert any("warmed up for 1e-06 s (warmup.max_s) with 1 of 2" in one.text for one in lines)


def test_a_check_runs_samples(models: Path) -> None:
    beside(models, a_json=request(1, 5.0))
    result = CliRunner().invoke(app, ["check", str(models)])
    assert result.exit_code == 0
    assert "ran [5.0, 6.0]" in result.output


@pytest.mark.parametrize(("limit_s", "warned"), [(100, True), (300, False)])
def test_a_warm_up_that_comes_near_the_limit_of_a_batch_is_a_warning(
    limit_s: int, warned: bool
) -> None:
    told = near_the_limit(Trial(64, 45.0, {}), limit_s)
    assert told == warned * (
        "a batch of 64 rows took 45.0 s; one that takes more than 100 s is given up "
        "(limits.hang_timeout_s): is that enough?"
    )


@pytest.mark.parametrize(
    ("allowed", "rows", "next_size"),
    [([], 32, 16), ([], 3, 1), ([], 1, 0), ([1, 4, 8, 32], 32, 8), ([20, 32], 32, 20), ([4], 4, 0)],
)
def test_after_one_that_was_too_large_a_smaller_size_is_tried(
    allowed: list[int], rows: int, next_size: int
) -> None:
    assert smaller(allowed, rows) == next_size


@pytest.mark.parametrize("own", [True, False])
def test_a_version_serves_in_batches_that_its_memory_has_room_for(
    write_model: WriteModel, lines: list[Line], own: bool
) -> None:
    then = "if batch.rows > 5: raise MemoryError('no room')"
    models = write_model(source=SAYS.format(then=then), yaml="batching: {max_rows: 32}")
    if own:
        beside(models, a_json=request(1), b_json=request(1))
    moves, host = stand(models, lines)
    assert [one.state for one in moves][-3:] == [State.READY, State.DRAINING, State.GONE]
    assert host.most_rows == 4
    told = [one.text for one in lines if "ran out of memory as it warmed up" in one.text]
    assert [one.split()[3] for one in told] == ["32", "16", "8"]


def test_a_version_without_room_for_one_row_fails_where_that_is_its_own(
    write_model: WriteModel, lines: list[Line]
) -> None:
    then = "raise MemoryError('no room')"
    models = write_model(source=SAYS.format(then=then), yaml="batching: {max_rows: 2}")
    beside(models, a_json=request(1))
    moves, host = stand(models, lines)
    assert (moves[-1].state, host.most_rows) == (State.FAILED, None)
