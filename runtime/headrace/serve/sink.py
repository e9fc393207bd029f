"""The socket on which the run's process takes what replicas print and report."""

import contextlib
import json
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.execution.voices import Line, line

#: A longer line is cut into lines of this size.
LINE_BYTES: Final = 64 << 10
READ_BYTES: Final = 256 << 10

#: Called with the label of a replica (`photos/1`, `gateway`) and what it tells.
Hear = Callable[[str, dict[str, Any]], None]


@dataclass
class Lines:
    """Bytes as they come, cut into lines; pure, so that every way to cut them has a test."""

    limit: int = LINE_BYTES
    rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the lines that are complete, without their ends."""
        self.rest += data
        lines: list[bytes] = []
        while True:
            end = self.rest.find(b"\n", 0, self.limit + 1)
            if end < 0 and len(self.rest) <= self.limit:
                return lines
            cut = end if end >= 0 else self.limit
            lines.append(bytes(self.rest[:cut]))
            del self.rest[: cut + (end >= 0)]

    def close(self) -> list[bytes]:
        """Return what has no end yet as a last line."""
        lines = [bytes(self.rest)] if self.rest else []
        self.rest.clear()
        return lines


@dataclass
class _Peer:
    """One end of a replica's. Its first line says whose it is, and which kind."""

    lines: Lines = field(default_factory=Lines)
    label: str = ""
    kind: str = ""
    pid: int = 0


class Sink:
    """The socket and the thread that serves it."""

    def __init__(self, path: Path, hear: Hear, speak: Callable[[Line], None]) -> None:
        """Bind and begin; both functions are called on the sink's thread."""
        self._hear = hear
        self._speak = speak
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen(128)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._peers: dict[socket.socket, _Peer] = {}
        self._thread = threading.Thread(target=self._serve, name="sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take what has already arrived, then stop."""
        self._wake.close()
        self._thread.join(5)
        self._server.close()

    def ask(self, label: str, question: str) -> None:
        """Send a line to every replica of a label, from any thread; the answers are events."""
        for connection, peer in list(self._peers.items()):
            if peer.label == label and peer.kind == "events":
                with contextlib.suppress(OSError):
                    connection.send(question.encode() + b"\n", socket.MSG_DONTWAIT)

    def _serve(self) -> None:
        while True:
            ready = [key.fileobj for key, _ in self._selector.select()]
            for source in ready:
                if source is self._server:
                    connection, _ = self._server.accept()
                    self._peers[connection] = _Peer()
                    self._selector.register(connection, selectors.EVENT_READ)
                elif isinstance(source, socket.socket) and source in self._peers:
                    self._read(source)
            if ready == [self._woken]:
                return

    def _read(self, connection: socket.socket) -> None:
        peer = self._peers[connection]
        try:
            data = connection.recv(READ_BYTES)
        except OSError:
            data = b""
        for text in peer.lines.feed(data) if data else peer.lines.close():
            self._take(peer, text)
        if not data:
            self._selector.unregister(connection)
            connection.close()
            del self._peers[connection]
            if peer.kind == "events":
                self._hear(peer.label, {"event": "gone", "pid": peer.pid})

    def _take(self, peer: _Peer, text: bytes) -> None:
        if not peer.kind:
            hello = json.loads(text)
            peer.label, peer.kind, peer.pid = hello["label"], hello["kind"], hello["pid"]
            # An event may be a traceback of many lines; a line of output has its bound.
            peer.lines.limit = LINE_BYTES if peer.kind == "output" else 16 * LINE_BYTES
            if peer.kind == "events":
                self._hear(peer.label, {"event": "here", "pid": peer.pid})
        elif peer.kind == "output":
            self._speak(
                line(peer.label, "out", text.decode(errors="backslashreplace").rstrip("\r"))
            )
        else:
            facts = json.loads(text)
            if facts["event"] == "line":
                self._speak(Line(**facts["line"]))
            else:
                self._hear(peer.label, facts)
