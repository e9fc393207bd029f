"""The log's files: of bounded size, searched by error id, and no reason for a server to fail."""

import contextlib
import errno
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from headrace.errors import StateInvalid

FILE: Final = "headrace.jsonl"
#: One file's size, and how many older ones are kept beside it.
MOST_BYTES: Final = 8 << 20
OLDER_FILES: Final = 3
#: As the core and the lanes make them.
ERROR_ID: Final = re.compile(r"e-[0-9a-f]{1,16}")
NO_FILE: Final = "it is a pipe, a device or a folder, and should be a file: take it away"
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
        descriptor = _open_file(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return os.fdopen(descriptor, "ab", buffering=0)

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
    if not ERROR_ID.fullmatch(error_id):
        return None
    for number in range(OLDER_FILES + 1):
        found: dict[str, Any] = {}
        for text in _lines_with(_older(path, number), error_id):
            found.update(told(text, error_id))
        if found:
            return found
    return None


def told(text: str, error_id: str) -> dict[str, Any]:
    """Return what a line of the log says of an error; nothing for one that is none of ours.

    Such as the last one of a process that was killed: whatever stands there harms nobody.
    """
    try:
        record: Any = json.loads(text)
        match record:
            case {"error": {"id": found}} if found == error_id:
                return dict(record["error"])
            case {"line": {"error": found, "text": str(log), "speaker": str(speaker)}} if (
                found == error_id
            ):
                return {"id": found, "log": log, "speaker": speaker}
    except (ValueError, RecursionError):
        pass
    return {}


def _lines_with(path: Path, needle: str) -> Iterator[str]:
    # Also of one that another thread has just put away.
    with (
        contextlib.suppress(OSError),
        open(_open_file(path, os.O_RDONLY), encoding="utf-8", errors="replace") as file,
    ):
        yield from (text for text in file if needle in text)


def _open_file(path: Path, flags: int) -> int:
    """Return the descriptor of a file; whoever opens a pipe would wait for its other end."""
    try:
        # Errors have parts of what callers sent, and the console may want a token for them.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OSError(error.errno, NO_FILE) if error.errno == errno.ENXIO else error from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NO_FILE)
    return descriptor


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
