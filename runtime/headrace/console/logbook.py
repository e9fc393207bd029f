"""The log of a server: on the terminal, in files of bounded size, and searched by error id."""

import json
import threading
from collections import OrderedDict, deque
from pathlib import Path
from typing import IO, Any, Final

from headrace.console.logfile import FILE, MOST_BYTES, LogFile, find_error
from headrace.console.terminal import Terminal
from headrace.execution.voices import Line

#: Lines and errors that are kept in memory for the console.
MOST_LINES: Final = 5000
MOST_ERRORS: Final = 1000
#: Who wait for lines at once; each holds one of the console's threads.
MOST_WAITING: Final = 16
#: Characters of the lines, and of the errors: a few long texts are as much as many short ones.
MOST_CHARACTERS: Final = 8 << 20
#: Kinds of error that a terminal should show; the rest is the callers' or the load's doing.
ALARMING: Final = frozenset({"internal", "host_lost"})


class TooManyWait(Exception):
    """Nobody else may wait for lines."""


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
        self._file = LogFile(self.path, most_bytes)
        self._terminal = Terminal(terminal) if terminal is not None else None
        self._lock = threading.Condition()
        self._lines: deque[Line] = deque()
        self._lines_size = 0
        self._taken = 0
        self._waiting = 0
        self._errors: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._errors_size = 0
        self._fault = ""

    def take(self, line: Line) -> None:
        """Show a line, keep it, and join it to its error. It neither raises nor waits."""
        with self._lock:
            self._show(line)
            self._keep(line)
            self._taken += 1
            self._lock.notify_all()
            self._write({"line": line.facts()})
            if line.error:
                self._join(line.error, {"log": line.text, "speaker": line.speaker})

    def take_report(self, report: str) -> None:
        """Keep what a gateway told a caller: JSON of id, unix_ms, kind, model, version, note."""
        told = json.loads(report)
        with self._lock:
            callers = self._errors.get(told["id"], {}).get("callers", 0) + 1
            self._join(told["id"], {**told, "callers": callers})
            if callers == 1:
                self._write({"error": told})
                if told["kind"] in ALARMING:
                    self._show(Line(told["unix_ms"], "headrace", "err", told["note"]))

    def recent(self, speaker: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return the last lines, oldest first, and how many lines there were until now.

        Of ``photos`` or of ``photos/1``, or of all if empty; those that come next are `since` the
        count.
        """
        with self._lock:
            lines, taken = list(self._lines), self._taken
        wanted = [one for one in lines if _speaks(one.speaker, speaker)]
        return [one.facts() for one in wanted[-limit:]], taken

    def since(self, speaker: str, after: int, wait_s: float) -> tuple[list[dict[str, Any]], int]:
        """Return the lines after the first ``after``, and how many there are by now.

        While there is none it waits, at most ``wait_s``.

        Raises:
            TooManyWait: as many as may wait already.
        """
        with self._lock:
            if self._taken <= after and self._waiting == MOST_WAITING:
                raise TooManyWait
            self._waiting += 1
            self._lock.wait_for(lambda: self._taken > after, wait_s)
            self._waiting -= 1
            fresh = list(self._lines)[-(self._taken - after) :] if self._taken > after else []
            taken = self._taken
        return [one.facts() for one in fresh if _speaks(one.speaker, speaker)], taken

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

    @property
    def taken(self) -> int:
        """How many lines there were until now."""
        with self._lock:
            return self._taken

    @property
    def dropped(self) -> int:
        """How many lines and errors could not be written to the file."""
        with self._lock:
            return self._file.dropped

    def settle(self, limit_s: float) -> None:
        """Wait, at most ``limit_s``, until the terminal shows what was taken."""
        if self._terminal is not None:
            self._terminal.settle(limit_s)

    def close(self) -> None:
        """Write and show what is left."""
        with self._lock:
            self._file.close()
        if self._terminal is not None:
            self._terminal.close()

    def _keep(self, line: Line) -> None:
        self._lines.append(line)
        self._lines_size += len(line.text)
        while len(self._lines) > MOST_LINES or self._lines_size > MOST_CHARACTERS:
            self._lines_size -= len(self._lines.popleft().text)

    def _join(self, error_id: str, facts: dict[str, Any]) -> None:
        error = self._errors.setdefault(error_id, {})
        self._errors_size -= _size(error)
        error.update({"id": error_id, **facts})
        self._errors_size += _size(error)
        while len(self._errors) > MOST_ERRORS or self._errors_size > MOST_CHARACTERS:
            self._errors_size -= _size(self._errors.popitem(last=False)[1])

    def _write(self, record: dict[str, Any]) -> None:
        fault = self._file.write(record)
        if fault and not self._fault and self._terminal is not None:
            self._terminal.show(f"headrace | cannot write to {self.path}: {fault}\n")
        self._fault = fault

    def _show(self, line: Line) -> None:
        if self._terminal is not None:
            shown = "".join(f"{line.speaker} | {text}\n" for text in line.text.split("\n"))
            self._terminal.show(shown)


def _size(error: dict[str, Any]) -> int:
    return sum(len(one) for one in error.values() if isinstance(one, str))


def _speaks(speaker: str, wanted: str) -> bool:
    return not wanted or speaker == wanted or speaker.startswith(wanted + "/")
