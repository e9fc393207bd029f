"""What callers sent, kept in private files, and read again for a new version."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from pydantic import ValidationError
from tests.unit.test_runner import ClosedHost
from tests.unit.test_warming import SAYS

from headrace.config.recording import Recording
from headrace.config.schema import ModelConfig
from headrace.execution.elements import Elements
from headrace.execution.recording import EVERY_S, Recorder, newest, recorded
from headrace.execution.runner import Runner
from headrace.execution.voices import Line
from headrace.models import Tensor
from headrace.models.lifecycle import State
from headrace.repository.folder import find

X = Tensor("x", "FP32", [2])
B = Tensor("b", "BF16", [])
T = Tensor("t", "BYTES", [2])


class Batch:
    def __init__(self, inputs: Mapping[str, Any], on_device: Sequence[Any] = ()) -> None:
        self.inputs, self.on_device = inputs, on_device


class Desk:
    """A recorder whose time a test says, and what it said."""

    def __init__(self, folder: Path, inputs: Sequence[Tensor], **wish: int) -> None:
        self.folder, self.inputs, self.now = folder, inputs, 0.0
        self.said: list[str] = []
        wished = Recording.model_validate(wish)
        self.recorder = Recorder(folder, wished, inputs, lambda: self.now, self.said.append)

    def take(self, batch: Batch) -> bool:
        """Have it look at a batch, and keep it if it is due; True if it was."""
        found = self.recorder.due(batch)
        if found is not None:
            self.recorder.keep(found)
        for thread in threading.enumerate():
            if thread.name == "records":
                thread.join()
        return found is not None

    def kept(self) -> list[Any]:
        return [one.arrays for one in recorded(self.folder, self.inputs)]


def rows(count: int, first: float = 0.0) -> Batch:
    numbers = np.arange(first, first + 2 * count, dtype=np.float32)
    return Batch({"x": numbers.reshape(count, 2)})


def test_what_is_kept_is_what_was_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "m", [X, B, T])
    sent = {
        "x": np.ones((2, 2), np.float32),
        "b": np.array([1.5, 2.5], ml_dtypes.bfloat16),
        "t": Elements([b"a", b"", b"\xff\x00", b"dd"], [2, 2]),
    }
    assert desk.take(Batch(sent))
    (kept,) = desk.kept()
    assert kept["x"].tolist() == [[1, 1], [1, 1]]
    assert kept["b"].dtype == ml_dtypes.bfloat16
    assert kept["b"].tolist() == [1.5, 2.5]
    assert kept["t"].tolist() == [[b"a", b""], [b"\xff\x00", b"dd"]]
    (file,) = newest(tmp_path / "m")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_no_more_than_one_a_second_and_none_of_a_devices_memory(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [X])
    assert desk.take(rows(1))
    assert not desk.take(rows(1))
    desk.now = EVERY_S
    assert not desk.take(Batch(rows(1).inputs, on_device=["a span"]))
    assert desk.take(rows(1))
    assert len(desk.kept()) == 2


def test_the_newest_stay_with_as_many_rows_as_there_is_room_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [X], batches=2, max_bytes=20)
    for at in range(4):
        desk.now = at * EVERY_S
        assert desk.take(rows(4, 100.0 * at))
    assert [one["x"].tolist() for one in desk.kept()] == [
        [[300, 301], [302, 303]],
        [[200, 201], [202, 203]],
    ]
    # One row is too much.
    small = Desk(tmp_path / "small", [X], max_bytes=7)
    small.take(rows(1))
    assert small.kept() == []


def test_files_of_other_inputs_or_of_none_are_left_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [X])
    desk.take(rows(1))
    (tmp_path / "9.npz").write_bytes(b"none")
    (whole,) = [one for one in newest(tmp_path) if one.name != "9.npz"]
    (tmp_path / "7.npz").write_bytes(whole.read_bytes()[:-9])
    np.savez(tmp_path / "8.npz", x=np.array([object()]))
    # As a machine that goes out may leave it.
    (tmp_path / "6.npz").write_bytes(b"")
    assert len(desk.kept()) == 1
    for others in ([T], [Tensor("x", "FP32", [3])], [Tensor("x", "FP64", [2])], [X, B]):
        assert list(recorded(tmp_path, others)) == []
    assert list(recorded(tmp_path / "nowhere", [X])) == []


def test_no_more_bytes_are_kept_than_may_be_wherever_they_are(tmp_path: Path) -> None:
    texts = Tensor("t", "BYTES", [1])
    desk = Desk(tmp_path, [texts], max_bytes=1000)
    large = Elements([b"x" * 900, *[b"y"] * 63], [64, 1])
    desk.take(Batch({"t": large}))
    assert [len(one["t"]) for one in desk.kept()] == [64]
    desk.now += 10
    desk.take(Batch({"t": Elements([b"x" * 2000, *[b"y"] * 63], [64, 1])}))
    assert len(desk.kept()) == 1


def test_what_was_begun_and_left_goes(tmp_path: Path) -> None:
    left, now = tmp_path / f"{1:020}-7.new", tmp_path / f"{10**19:020}-7.new"
    left.touch()
    now.touch()
    desk = Desk(tmp_path, [X])
    desk.take(rows(1))
    assert (left.exists(), now.exists()) == (False, True)
    assert len(desk.kept()) == 1


def test_where_it_cannot_be_written_it_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(tmp_path / "file", [X])
    for at in range(2):
        desk.now = at * EVERY_S
        desk.take(rows(1))
    (said,) = desk.said
    assert said.startswith("no more is recorded: ")


@pytest.mark.parametrize(
    ("yaml", "then", "ran", "said"),
    [
        ("recording: {}", "", True, ""),
        ("", "", False, ""),
        (
            "recording: {}",
            "if batch['x'][0, 0] == 7: raise ValueError('not seven')",
            True,
            "could not warm up with what was recorded (ValueError: not seven); serving all the",
        ),
    ],
)
def test_a_new_version_runs_what_was_recorded(
    write_model: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    yaml: str,
    then: str,
    ran: bool,
    said: str,
) -> None:
    models = write_model(source=SAYS.format(then=then), yaml=yaml)
    Desk(tmp_path / "kept" / "doubler", [X]).take(rows(1, 7.0))
    lines: list[Line] = []
    moves: list[Any] = []
    one = Runner(
        find(models)[0],
        ClosedHost(),
        lines.append,
        moves.append,
        threads=1,
        recordings=tmp_path / "kept",
    )
    assert one.start()
    one.stop(10)
    assert State.READY in {move.state for move in moves}
    assert ("ran [7.0, 8.0]" in capsys.readouterr().out) == ran
    assert said in "\n".join(line.text for line in lines)


@pytest.mark.parametrize(
    "yaml", [{"streams": True}, {"batching": {"join": {"x": "ragged"}, "max_rows": 4}}]
)
def test_what_has_no_rows_of_its_own_is_not_recorded(yaml: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="recording keeps rows that share a batch as they"):
        ModelConfig.model_validate({**yaml, "recording": {}})
