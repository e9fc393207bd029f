"""The terminal that a server was started in: it may stand still, and the server may not."""

import os
import select
import threading
from collections import deque
from typing import IO, Final

from headrace.execution.voices import visible

#: What may wait for a terminal that stands still, such as after Ctrl-S or in a pager.
MOST_WAITING: Final = 1 << 20
#: How long the end of a run waits for it.
LAST_S: Final = 2.0


class Terminal:
    """Shows texts from a thread of its own; what it has no room for is counted, and told later."""

    def __init__(self, stream: IO[str], most_waiting: int = MOST_WAITING) -> None:
        self._stream = stream
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque()
        self._size = 0
        self._dropped = 0
        self._ended = False
        self._idle = True
        # A daemon: a terminal that stands still must not keep the process.
        self._thread = threading.Thread(target=self._serve, name="terminal", daemon=True)
        self._thread.start()

    def show(self, text: str) -> None:
        """Show whole lines as soon as the terminal takes them; this never waits for it."""
        text = visible(text)
        with self._changed:
            if self._ended:
                return
            if self._size + len(text) > self._most_waiting:
                self._dropped += 1
                return
            if self._dropped:
                text = f"headrace | {self._dropped} lines are not shown here\n{text}"
                self._dropped = 0
            self._waiting.append(text)
            self._idle = False
            self._size += len(text)
            self._changed.notify_all()

    def settle(self, limit_s: float) -> None:
        """Wait, at most ``limit_s``, until everything is shown."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._ended, limit_s)

    def close(self, limit_s: float = LAST_S) -> None:
        """Show what is left, for at most ``limit_s``."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join(limit_s)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._idle = True
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                text = "".join(self._waiting)
                self._waiting.clear()
                self._size = 0
            try:
                self._write(text)
            except (OSError, ValueError):
                # It was closed, as by `| head`. The files have everything.
                with self._changed:
                    self._ended = True
                    self._waiting.clear()
                    self._changed.notify_all()
                return

    def _write(self, text: str) -> None:
        try:
            descriptor = self._stream.fileno()
        except (AttributeError, OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
            return
        # Past Python's buffer, whose lock an interpreter that ends would wait for.
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        rest = text.encode(encoding, "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                # Another program that has the terminal may have made it so.
                writable = select.poll()
                writable.register(descriptor, select.POLLOUT)
                writable.poll()
