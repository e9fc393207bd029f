"""How a replica speaks to the run's process: what it prints, and what happens to it."""

import contextlib
import faulthandler
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from headrace.execution.voices import Line

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
        self._lock = threading.Lock()

    def tell(self, event: str, **facts: Any) -> None:
        """Send one event. Without a listener it goes nowhere: no request may suffer from that."""
        text = json.dumps({"event": event, **facts}).encode() + b"\n"
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(text)

    def questions(self) -> Iterator[str]:
        """Yield what the run's process asks, until it is gone."""
        with contextlib.suppress(OSError), self._connection.makefile(encoding="utf-8") as lines:
            for text in lines:
                yield text.rstrip("\n")

    def say(self, line: Line) -> None:
        """Send a line of the log."""
        self.tell("line", line=asdict(line))


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
