"""The log of a server: on the terminal, in files of bounded size, and searched by error id."""

import json
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from headrace.errors import StateInvalid
from headrace.execution.voices import Line

FILE: Final = "headrace.jsonl"
#: One file's size, and how many older ones are kept beside it.
MOST_BYTES: Final = 8 << 20
OLDER_FILES: Final = 3
#: Lines and errors that are kept in memory for the console.
MOST_LINES: Final = 5000
MOST_ERRORS: Final = 1000
#: Kinds of error that a terminal should show; the rest is the callers' or the load's doing.
ALARMING: Final = frozenset({"internal", "host_lost"})


class Logbook:
    """Takes lines and errors from any thread."""

    def __init__(
        self, folder: Path, terminal: IO[str] | None, most_bytes: int = MOST_BYTES
    ) -> None:
        """Open the log in ``folder``; ``terminal`` is where lines are shown, if anywhere.

        Raises:
            StateInvalid: the folder cannot be made or written to.
        """
        self.path = folder / FILE
        self._terminal = terminal
        self._most_bytes = most_bytes
        self._lock = threading.Condition()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise StateInvalid(f"cannot keep a log at {self.path}: {error.strerror}") from error
        self._size = self.path.stat().st_size
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._taken = 0
        self._errors: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def take(self, line: Line) -> None:
        """Show a line, keep it, and join it to its error."""
        with self._lock:
            self._show(line)
            self._lines.append(line)
            self._taken += 1
            self._lock.notify_all()
            self._write({"line": asdict(line)})
            if line.error:
                self._error(line.error).update(log=line.text, speaker=line.speaker)

    def take_report(self, report: str) -> None:
        """Keep what a gateway told a caller: JSON of id, unix_ms, kind, model, version, note."""
        told = json.loads(report)
        with self._lock:
            error = self._error(told["id"])
            error["callers"] = error.get("callers", 0) + 1
            error.update(told)
            if error["callers"] == 1:
                self._write({"error": told})
                if told["kind"] in ALARMING:
                    self._show(Line(told["unix_ms"], "headrace", "err", told["note"]))

    def lines(self, speaker: str, limit: int) -> list[dict[str, Any]]:
        """Return the last lines, oldest first, of ``photos`` or ``photos/1``; of all if empty."""
        with self._lock:
            lines = list(self._lines)
        wanted = [one for one in lines if _speaks(one.speaker, speaker)]
        return [asdict(one) for one in wanted[-limit:]]

    def since(self, speaker: str, after: int, wait_s: float) -> tuple[list[dict[str, Any]], int]:
        """Return the lines after the first ``after``, and how many there are by now.

        While there is none it waits, at most ``wait_s``.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._taken > after, wait_s)
            fresh = list(self._lines)[-(self._taken - after) :] if self._taken > after else []
            taken = self._taken
        return [asdict(one) for one in fresh if _speaks(one.speaker, speaker)], taken

    @property
    def taken(self) -> int:
        """How many lines there were."""
        with self._lock:
            return self._taken

    def errors(self, limit: int) -> list[dict[str, Any]]:
        """Return the last ``limit`` errors, oldest first."""
        with self._lock:
            return [dict(one) for one in list(self._errors.values())[-limit:]]

    def error(self, error_id: str) -> dict[str, Any] | None:
        """Return what is known of an error, from memory or from the files; None when nothing is."""
        with self._lock:
            if error_id in self._errors:
                return dict(self._errors[error_id])
        return find_error(self.path, error_id)

    def close(self) -> None:
        """Write what is left."""
        with self._lock:
            self._file.close()

    def _error(self, error_id: str) -> dict[str, Any]:
        error = self._errors.setdefault(error_id, {"id": error_id})
        while len(self._errors) > MOST_ERRORS:
            self._errors.popitem(last=False)
        return error

    def _show(self, line: Line) -> None:
        if self._terminal is None:
            return
        for text in line.text.split("\n"):
            self._terminal.write(f"{line.speaker} | {text}\n")
        self._terminal.flush()

    def _write(self, record: dict[str, Any]) -> None:
        if self._file.closed:
            return
        text = json.dumps(record, ensure_ascii=False) + "\n"
        self._size += len(text)
        if self._size > self._most_bytes:
            self._rotate()
            self._size = len(text)
        self._file.write(text)
        self._file.flush()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(OLDER_FILES, 0, -1):
            newer = _older(self.path, number - 1)
            if newer.exists():
                newer.replace(_older(self.path, number))
        self._file = self.path.open("a", encoding="utf-8")


def find_error(path: Path, error_id: str) -> dict[str, Any] | None:
    """Search the log at ``path`` and the older ones beside it, newest first."""
    for number in range(OLDER_FILES + 1):
        found: dict[str, Any] = {}
        for record in _records(_older(path, number), error_id):
            if record.get("error", {}).get("id") == error_id:
                found.update(record["error"])
            elif record.get("line", {}).get("error") == error_id:
                line = record["line"]
                found.update(id=error_id, log=line["text"], speaker=line["speaker"])
        if found:
            return found
    return None


def _records(path: Path, needle: str) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            if needle in text:
                try:
                    yield json.loads(text)
                except json.JSONDecodeError:
                    # The last line of a process that was killed.
                    continue


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path


def _speaks(speaker: str, wanted: str) -> bool:
    return not wanted or speaker == wanted or speaker.startswith(wanted + "/")
