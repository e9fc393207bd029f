"""How a replica speaks to the run's process: what it prints, and what happens to it."""

import contextlib
import faulthandler
import json
import logging
import os
import select
import socket
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TextIO

from headrace.execution import voices
from headrace.execution.voices import Line

#: The word that lets a host load its versions: after deaths in a row it comes late.
BEGIN: Final = "begin"
#: The word that a configuration has changed.
CHANGE: Final = "change"
#: The words that one more version is to be carried, and that one is to end.
JOIN: Final = "join"
LEAVE: Final = "leave"
#: The word that an operation that a client asked for is over: its number, and why it was not done.
DONE: Final = "done"
#: Before what metrics pages are to show of versions that are watched; asks what was counted.
PROFILES: Final = "profiles"
#: What a replica may have printed while the run's process is busy; a print waits beyond it.
BUFFER_BYTES: Final = 1 << 20


def redirect_output(sink: Path, label: str) -> None:
    """Send what this process writes to descriptors 1 and 2, also from C, to `sink`, as `label`'s.

    The descriptors themselves become the socket: what is written just before a crash still arrives.
    """
    _quiet_serve()
    with _connect(sink, label, "output") as connection:
        for descriptor in (1, 2):
            os.dup2(connection.fileno(), descriptor)
    faulthandler.enable(2)


class Events:
    """A replica's line to the run's process for what programs read."""

    def __init__(self, sink: Path, label: str) -> None:
        self._connection = _connect(sink, label, "events")
        self._label = label
        self._lock = threading.Lock()
        #: The end of a message of which the socket took the begin; nothing may come between.
        self._rest = b""
        self._dropped = 0

    @cached_property
    def _asked(self) -> TextIO:
        # One reader: what another had taken in would be lost with it.
        return self._connection.makefile(encoding="utf-8")

    def tell(self, event: str, **facts: Any) -> None:
        """Send one event. Without a listener it goes nowhere: no request may suffer from that."""
        text = _message(event, facts)
        with contextlib.suppress(OSError):
            # The lock is not held meanwhile: whoever has a line to say must not wait for it.
            while not self._offer(text):
                _wait_for_room(self._connection)
            while not self._offer(b""):
                _wait_for_room(self._connection)

    def questions(self) -> Iterator[str]:
        """Yield what the run's process asks, until it is gone."""
        with contextlib.suppress(OSError):
            for text in self._asked:
                yield text.rstrip("\n")

    def wait_to_begin(self) -> str:
        """Wait until the run's process lets this one load, and return what it said to it.

        Nothing from one that is gone.
        """
        passed = []
        for text in self.questions():
            word, _, rest = text.partition(" ")
            if word == CHANGE:
                number, version, _ = rest.split(" ", 2)
                passed.append((int(number), version))
            if word == BEGIN:
                # It begins with what was changed while it waited.
                for asked, one in passed:
                    self.tell("changed", version=one, number=asked, error="")
                return rest
        return ""

    def say(self, line: Line) -> None:
        """Send a line of the log, or count it where there is no room: lanes say them."""
        with contextlib.suppress(OSError):
            if self._dropped:
                missed = voices.line(self._label, "log", f"{self._dropped} lines were not heard")
                if self._offer(_message("line", {"line": missed.facts()})):
                    self._dropped = 0
            if not self._offer(_message("line", {"line": line.facts()})):
                self._dropped += 1

    def _offer(self, text: bytes) -> bool:
        """Send ``text`` without waiting; False when it was not begun.

        Once it was begun, its end goes before whatever is sent next.
        """
        with self._lock:
            self._rest = self._send(self._rest)
            if self._rest:
                return False
            rest = self._send(text)
            if text and rest == text:
                return False
            self._rest = rest
            return True

    def _send(self, text: bytes) -> bytes:
        """Return what there was no room for."""
        while text:
            try:
                text = text[self._connection.send(text, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                break
        return text


def _message(event: str, facts: dict[str, Any]) -> bytes:
    return json.dumps({"event": event, **facts}).encode() + b"\n"


def _wait_for_room(connection: socket.socket) -> None:
    # Not select(): a process with many files has descriptors beyond what that takes.
    writable = select.poll()
    writable.register(connection, select.POLLOUT)
    writable.poll()


def _quiet_serve() -> None:
    """Serve's own lines of a replica stay in its file: on the terminal only models speak."""
    logger = logging.getLogger("ray.serve")
    for handler in list(logger.handlers):
        if type(handler) is logging.StreamHandler:
            logger.removeHandler(handler)


def _connect(sink: Path, label: str, kind: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    connection.connect(str(sink))
    hello = {"label": label, "kind": kind, "pid": os.getpid()}
    connection.sendall(json.dumps(hello).encode() + b"\n")
    return connection
