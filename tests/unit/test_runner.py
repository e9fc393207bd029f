import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.execution.runner import Runner
from headrace.execution.voices import Line
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import find


class ClosedHost:
    """A host whose versions have no calls."""

    def __init__(self) -> None:
        self.contracts: list[str] = []
        self.conducts: list[dict[str, Any]] = []
        #: What a batch was limited to.
        self.most_rows: int | None = None

    def open(self, contract: str, **conduct: Any) -> Any:
        self.contracts.append(contract)
        self.conducts.append(conduct)
        return self

    def next_batch(self, lane: int) -> None: ...

    def limit_rows(self, rows: int) -> None:
        self.most_rows = rows

    def close(self, model: str, version: int) -> None: ...

    def next_hang(self) -> str | None: ...


def stand(models: Path, lines: list[Line]) -> tuple[list[Standing], ClosedHost]:
    moves: list[Standing] = []
    host = ClosedHost()
    runner = Runner(find(models)[0], host, lines.append, moves.append, threads=1)
    runner.start()
    runner.stop(10)
    return moves, host


def test_a_version_goes_its_way_and_every_state_has_a_reason(
    write_model: Callable[..., Path],
) -> None:
    moves, host = stand(write_model(), [])
    assert [one.state.value for one in moves] == [
        "loading",
        "warming",
        "ready",
        "draining",
        "gone",
    ]
    assert all(one.reason for one in moves)
    assert '"platform": "python"' in host.contracts[0]
    assert host.conducts == [
        {"concurrency": 1, "hang_timeout_s": 300.0, "prepares": False, "lend": None}
    ]


def test_a_version_is_loaded_from_the_files_that_it_had_or_not_at_all(
    write_model: Callable[..., Path],
) -> None:
    models = write_model()
    moves: list[Standing] = []

    def runner() -> Runner:
        return Runner(find(models)[0], ClosedHost(), lambda line: None, moves.append, threads=1)

    first = runner()
    assert first.start()
    again = runner()
    assert again.start(first.digest)
    assert again.digest == first.digest != ""
    (models / "doubler" / "1" / "weights").write_text("others")
    assert not runner().start(first.digest)
    assert "the files of doubler/1 have changed since it was loaded" in moves[-1].reason
    for one in (first, again):
        one.stop(10)


BROKEN = """
from headrace import Model, Tensor
class One(Model):
    inputs = [Tensor("x", "FP32", [1])]
    outputs = [Tensor("y", "FP32", [1])]
    def load(self, context): {load}
    def predict(self, batch): {predict}
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named"),
        (BROKEN.format(load="raise OSError('no weights')", predict="..."), "OSError: no weights"),
        (BROKEN.format(load="raise SystemExit(1)", predict="..."), "SystemExit: 1"),
        (BROKEN.format(load="...", predict="return {}"), r"declared outputs \['y'\]"),
        ("x = (", "SyntaxError"),
    ],
)
def test_a_version_that_fails_says_why_and_the_log_has_the_traceback(
    write_model: Callable[..., Path], source: str, said: str
) -> None:
    lines: list[Line] = []
    moves, host = stand(write_model(source=source), lines)
    assert moves[-1].state is State.FAILED
    assert re.search(said, moves[-1].reason)
    assert not host.contracts
    assert lines[-1].text.startswith("Traceback")
    assert lines[-1].error in moves[-1].reason


def test_numbers_that_were_made_up_may_be_no_input(write_model: Callable[..., Path]) -> None:
    lines: list[Line] = []
    moves, _ = stand(write_model(source=BROKEN.format(load="...", predict="1 / 0")), lines)
    assert State.READY in [one.state for one in moves]
    warned = [one.text for one in lines if "ZeroDivisionError" in one.text]
    assert "could not warm up with made-up inputs" in warned[0]


@pytest.mark.parametrize("text", ["half \\ud83d", "x" * 3_000_000])
def test_the_reason_of_a_failure_can_be_put_into_a_table(
    write_model: Callable[..., Path], text: str
) -> None:
    source = BROKEN.format(load=f"raise OSError('{text}')", predict="...")
    lines: list[Line] = []
    moves, _ = stand(write_model(source=source), lines)
    assert moves[-1].state is State.FAILED
    assert len(moves[-1].reason.encode()) < 10_000
    assert moves[-1].reason.endswith(f" [error id {lines[-1].error}]")
