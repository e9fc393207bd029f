"""Which processes stand still, and for how long they may."""

from pathlib import Path

import pytest

from headrace.serve.standstill import GATEWAY, NEEDED, REPLACED, due, is_stopped

#: Pids.
ONE, OTHER = 11, 12


def test_a_process_is_given_its_time_and_no_more() -> None:
    since, late = due({}, {ONE: GATEWAY, OTHER: REPLACED}, 100.0)
    assert (since, late) == ({ONE: 100.0, OTHER: 100.0}, set())
    since, late = due(since, {ONE: GATEWAY, OTHER: REPLACED}, 100.9)
    assert not late
    since, late = due(since, {ONE: GATEWAY, OTHER: REPLACED}, 101.0)
    assert late == {ONE}
    since, late = due(since, {OTHER: REPLACED}, 103.0)
    assert (since, late) == ({OTHER: 100.0}, {OTHER})


def test_who_moves_in_between_begins_anew() -> None:
    since, _ = due({}, {ONE: NEEDED}, 100.0)
    since, _ = due(since, {}, 102.9)
    since, late = due(since, {ONE: NEEDED}, 103.1)
    assert (since, late) == ({ONE: 103.1}, set())


@pytest.mark.parametrize(
    ("stat", "stopped"),
    [
        ("11 (ray::Serve) T 1 11", True),
        ("11 (a (b) S c) T 1 11", True),
        ("11 (ray::Serve) S 1 11", False),
        ("11 (T) R 1 11", False),
        ("11 (ray::Serve) Z 1 11", False),
        # Held by a debugger.
        ("11 (ray::Serve) t 1 11", False),
    ],
)
def test_only_a_signal_makes_a_process_stand_still(
    tmp_path: Path, stat: str, stopped: bool
) -> None:
    (tmp_path / "11").mkdir()
    (tmp_path / "11" / "stat").write_text(stat)
    assert is_stopped(11, tmp_path) is stopped
    assert not is_stopped(12, tmp_path)
