"""What the log does when the disk, the terminal or the text is not as it should be."""

import errno
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from headrace.console.logbook import MOST_CHARACTERS, Logbook
from headrace.console.logfile import FILE, LogFile, find_error
from headrace.console.terminal import Terminal
from headrace.execution.voices import Line


def test_text_that_utf8_cannot_carry_is_kept_as_escapes(tmp_path: Path) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    book = Logbook(tmp_path, terminal)
    book.take(Line(1, "m/1", "err", "half \ud83d, é", "e-1"))
    book.settle(10)
    book.close()
    found = find_error(tmp_path / FILE, "e-1")
    assert found is not None
    assert found["log"] == "half \ud83d, é"
    assert book.dropped == 0


class FullDisk:
    """Takes a few bytes of the first record, then nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.room = 5

    def write(self, text: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, self.room = text[: self.room], 0
        with self.path.open("ab") as file:
            file.write(taken)
        return len(taken)

    def close(self) -> None: ...


def test_a_full_disk_raises_nothing_and_is_told_once(tmp_path: Path) -> None:
    terminal = io.StringIO()
    book = Logbook(tmp_path, terminal)
    full: Any = FullDisk(book.path)
    book._file._file, real = full, book._file._file
    for at in range(3):
        book.take(Line(at, "m/1", "err", "lost", f"e-{at}"))
    assert (book.dropped, book.recent("", 0)[1]) == (3, 3)
    assert book.error("e-2") is not None
    book._file._file = real
    book.take(Line(4, "m/1", "err", "written", "e-4"))
    book.settle(10)
    book.close()
    assert terminal.getvalue().count("cannot write to") == 1
    # Although a torn record is before it.
    assert find_error(book.path, "e-4") == {"id": "e-4", "log": "written", "speaker": "m/1"}


def test_a_log_that_could_not_be_rotated_goes_on_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LogFile(tmp_path / FILE, 100)
    file.write({"text": "x" * 80})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        assert "quota" in file.write({"text": "y" * 80})
    assert file.write({"text": "z" * 80}) == ""
    file.close()
    assert (tmp_path / FILE).read_text() == '{"text": "' + "z" * 80 + '"}\n'
    assert (tmp_path / f"{FILE}.1").exists()
    # Whoever may not ask the console may not read what it keeps.
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def refuse(*args: Any) -> None:
    raise OSError(errno.EDQUOT, "over quota")


def test_a_terminal_that_is_gone_is_not_written_to_again(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        book = Logbook(tmp_path, gone)
        for at in range(3):
            book.take(Line(at, "m/1", "out", "hello", f"e-{at}"))
            book.settle(10)
        book.close()
    assert find_error(book.path, "e-2") is not None


class Still(io.StringIO):
    """A terminal after Ctrl-S."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.go_on.wait(60)
        return super().write(text)


def test_a_terminal_that_stands_still_stops_nobody_and_what_it_missed_is_counted() -> None:
    still = Still()
    terminal = Terminal(still, most_waiting=10)
    terminal.show("one\n")
    assert still.reached.wait(10)
    for _ in range(4):
        terminal.show("more\n")
    still.go_on.set()
    terminal.settle(10)
    terminal.show("end\n")
    terminal.close(10)
    assert still.getvalue() == ("one\nmore\nmore\nheadrace | 2 lines are not shown here\nend\n")


def test_the_end_of_a_run_waits_for_a_terminal_only_so_long() -> None:
    still = Still()
    terminal = Terminal(still)
    terminal.show("one\n")
    assert still.reached.wait(10)
    terminal.settle(0)
    terminal.close(0)
    still.go_on.set()
    terminal.close(10)
    assert still.getvalue() == "one\n"


def test_what_is_kept_in_memory_has_a_bound_of_its_texts_too(tmp_path: Path) -> None:
    book = Logbook(tmp_path, None)
    text = "x" * (MOST_CHARACTERS // 4)
    for at in range(9):
        book.take(Line(at, "m/1", "err", text, f"e-{at}"))
    assert len(book.recent("", 99)[0]) == 4
    assert [one["id"] for one in book.errors(99)] == ["e-6", "e-7", "e-8"]
    assert book.since("", 0, 0)[1] == 9
    book.close()
