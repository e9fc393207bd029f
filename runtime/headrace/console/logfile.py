"""The log's files: of bounded size, searched by error id, and no reason for a server to fail."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from headrace.errors import StateInvalid

FILE: Final = "headrace.jsonl"
#: One file's size, and how many older ones are kept beside it.
MOST_BYTES: Final = 8 << 20
OLDER_FILES: Final = 3
#: One for all records: `json.dumps` makes another for each where it is told more than the record.
ENCODER: Final = json.JSONEncoder(ensure_ascii=False)


class LogFile:
    """Writes records; its owner lets only one thread at a time."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        """Open it.

        Raises:
            StateInvalid: it cannot be made or written to.
        """
        self.path = path
        #: Records that could not be written, such as to a full disk.
        self.dropped = 0
        self._most_bytes = most_bytes
        self._closed = False
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] | None = self._open()
            self._size = path.stat().st_size
        except OSError as error:
            raise StateInvalid(f"cannot keep a log at {path}: {error.strerror}") from error

    def write(self, record: dict[str, Any]) -> str:
        """Write a record; where that cannot be, count it and return why."""
        if self._closed:
            return ""
        text = ENCODER.encode(record).encode("utf-8", "backslashreplace") + b"\n"
        if self._torn:
            # What was cut off stays a line of its own, which readers pass over.
            text = b"\n" + text
        try:
            if self._file is None or self._size + len(text) > self._most_bytes:
                self._rotate()
            self._write(text)
        except OSError as error:
            self.dropped += 1
            return str(error)
        return ""

    def close(self) -> None:
        """Write no more."""
        self._closed = True
        if self._file is not None:
            self._file.close()

    def _write(self, text: bytes) -> None:
        if self._file is None:
            return
        # Without a buffer: what could not be written is not kept in memory to be tried again.
        written = self._file.write(text)
        self._size += written
        self._torn = written < len(text)
        if self._torn:
            raise OSError("no space for all of it")

    def _open(self) -> IO[bytes]:
        return self.path.open("ab", buffering=0)

    def _rotate(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self.path.exists() and self._size:
            for number in range(OLDER_FILES, 0, -1):
                newer = _older(self.path, number - 1)
                if newer.exists():
                    newer.replace(_older(self.path, number))
            self._size = 0
        self._file = self._open()


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
    # Also one that another thread has just put away.
    with contextlib.suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            if needle in text:
                try:
                    yield json.loads(text)
                except json.JSONDecodeError:
                    # The last line of a process that was killed.
                    continue


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
