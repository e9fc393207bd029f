"""The socket on which the run's process takes what replicas print and report."""

import contextlib
import json
import select
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.errors import StateInvalid
from headrace.execution.voices import OURSELVES, Line, line
from headrace.serve.deaths import last_words

#: A longer line is cut into lines of this size.
LINE_BYTES: Final = 64 << 10
READ_BYTES: Final = 256 << 10
#: For who has much to read: a host that is to carry hundreds of versions hears of all in one line.
PATIENCE_MS: Final = 1000

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
class Peer:
    """One end of a replica's. Its first line says whose it is, and which kind.

    Nothing that it sends, and nothing that listens to it, may raise into the sink's thread: that
    hears every other replica too.
    """

    hear: Hear
    speak: Callable[[Line], None]
    lines: Lines = field(default_factory=Lines)
    label: str = ""
    kind: str = ""
    pid: int = 0

    def take(self, data: bytes) -> bool:
        """Take what came, nothing at the end; False when it does not say who it is."""
        for text in self.lines.feed(data) if data else self.lines.close():
            try:
                self._take(text)
            except Exception as error:
                if not self.kind:
                    return False
                self._complain(error)
        return True

    def leave(self) -> None:
        """Tell that it is gone."""
        if self.kind == "events":
            try:
                self.hear(self.label, {"event": "gone", "pid": self.pid})
            except Exception as error:
                self._complain(error)

    def _take(self, text: bytes) -> None:
        if not self.kind:
            hello = json.loads(text)
            self.label, self.pid = hello["label"], hello["pid"]
            self.kind = hello["kind"]
            # An event may be a traceback of many lines; a line of output has its bound.
            self.lines.limit = LINE_BYTES if self.kind == "output" else 16 * LINE_BYTES
            if self.kind == "events":
                self.hear(self.label, {"event": "here", "pid": self.pid})
        elif self.kind == "output":
            said = text.decode(errors="backslashreplace").rstrip("\r")
            self.speak(line(self.label, "out", said))
            if why := last_words(said):
                self.hear(self.label, {"event": "words", "pid": self.pid, "why": why})
        else:
            facts = json.loads(text)
            if facts["event"] == "line":
                self.speak(Line(**facts["line"]))
            else:
                self.hear(self.label, {"pid": self.pid, **facts})

    def _complain(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            what = f"passed over what {self.label} told: {type(error).__name__}: {error}"
            self.speak(line(OURSELVES, "err", what))


class Sink:
    """The socket and the thread that serves it."""

    def __init__(self, path: Path, hear: Hear, speak: Callable[[Line], None]) -> None:
        """Bind and begin; both functions are called on the sink's thread.

        Raises:
            StateInvalid: there can be no socket at `path`.
        """
        self._hear = hear
        self._speak = speak
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._server.bind(str(path))
            self._server.listen(128)
        except OSError as error:
            self._server.close()
            raise StateInvalid(
                f"cannot listen on {path}: {error.strerror}; set XDG_RUNTIME_DIR to a folder whose "
                "file system takes sockets"
            ) from error
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._peers: dict[socket.socket, Peer] = {}
        self._thread = threading.Thread(target=self._serve, name="sink", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take what has already arrived, then stop."""
        self._wake.close()
        self._thread.join(5)
        self._server.close()

    def ask(self, label: str, question: str, pid: int | None = None) -> int:
        """Send a line to every replica of a label, or to one process, from any thread.

        Return to how many it was sent. The answers are events.
        """
        asked = 0
        for connection, peer in list(self._peers.items()):
            if peer.label == label and peer.kind == "events" and pid in (None, peer.pid):
                with contextlib.suppress(OSError):
                    _send(connection, question.encode() + b"\n")
                    asked += 1
        return asked

    def _serve(self) -> None:
        refused = False
        while True:
            ready = [key.fileobj for key, _ in self._selector.select(1 if refused else None)]
            if refused:
                self._selector.register(self._server, selectors.EVENT_READ)
                refused = False
            for source in ready:
                if source is self._server:
                    refused = not self._accept()
                elif isinstance(source, socket.socket) and source in self._peers:
                    self._read(source)
            if ready == [self._woken]:
                return

    def _accept(self) -> bool:
        """Take a replica's connection; False when there is no descriptor for it now."""
        try:
            connection, _ = self._server.accept()
        except OSError:
            # It stays in the queue; without a pause the selector would name it again at once.
            self._selector.unregister(self._server)
            return False
        self._peers[connection] = Peer(self._hear, self._speak)
        self._selector.register(connection, selectors.EVENT_READ)
        return True

    def _read(self, connection: socket.socket) -> None:
        peer = self._peers[connection]
        try:
            data = connection.recv(READ_BYTES)
        except OSError:
            data = b""
        if peer.take(data) and data:
            return
        self._selector.unregister(connection)
        connection.close()
        del self._peers[connection]
        peer.leave()


def _send(connection: socket.socket, text: bytes) -> None:
    """Send a line; to who takes none of it for long nothing is sent any more.

    Raises:
        OSError: it is gone, or does not read.
    """
    writable = select.poll()
    writable.register(connection, select.POLLOUT)
    while text:
        try:
            text = text[connection.send(text, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            if not writable.poll(PATIENCE_MS):
                # Half a line would be taken for the next one's begin.
                connection.shutdown(socket.SHUT_RDWR)
                raise
