"""Which processes stand still, and for how long they may."""

import subprocess
from pathlib import Path

import pytest

from headrace.serve.standstill import GATEWAY, NEEDED, REPLACED, Process, due

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
    ("stat", "state"),
    [
        ("11 (ray::Serve) T 1 11", b"T"),
        ("11 (a (b) S c) T 1 11", b"T"),
        ("11 (ray::Serve) S 1 11", b"S"),
        ("11 (T) R 1 11", b"R"),
        ("11 (ray::Serve) Z 1 11", b"Z"),
        # Held by a debugger.
        ("11 (ray::Serve) t 1 11", b"t"),
        ("", b""),
    ],
)
def test_the_state_stands_behind_a_name_of_any_kind(
    tmp_path: Path, stat: str, state: bytes
) -> None:
    (tmp_path / "11").mkdir()
    (tmp_path / "11" / "stat").write_text(stat)
    process = Process(11, str(tmp_path))
    assert process.state() == state
    process.close()


def test_a_process_that_is_gone_has_no_state() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as cat:
        process = Process(cat.pid)
        assert process.state() != b""
    assert process.state() == b""
    process.close()
    with pytest.raises(OSError, match="No such"):
        Process(cat.pid)
