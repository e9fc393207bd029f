"""HTTP/1 as bytes on a socket: what is sent is what the attack says, well-formed or not."""

import contextlib
import selectors
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

#: Not in the socket module of every Python: a source address without a port of its own.
IP_BIND_ADDRESS_NO_PORT: Final = 24
READ: Final = 1 << 16
#: Who says nothing for so long waits for more.
QUIET_S: Final = 0.2


@dataclass(frozen=True)
class Reply:
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.body[:200]!r}"


def connect(address: tuple[str, int], timeout_s: float, source: str = "") -> socket.socket:
    """Return a connected socket; `source` is an address of this machine to come from."""
    one = socket.socket()
    try:
        one.settimeout(timeout_s)
        if source:
            one.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            one.bind((source, 0))
        one.connect(address)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        one.close()
        raise
    return one


def abort(one: socket.socket) -> None:
    """Close with a reset, which throws away what is under way."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def ended(sockets: Iterable[socket.socket], limit_s: float, enough: int = 1 << 30) -> int:
    """Read all sockets until `limit_s` is over or `enough` are closed; return how many are."""
    end = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        for each in sockets:
            selector.register(each, selectors.EVENT_READ)
        closed = 0
        while selector.get_map() and closed < enough and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                data = b""
                with contextlib.suppress(ConnectionError):
                    data = one.recv(READ)
                if not data:
                    selector.unregister(one)
                    closed += 1
    return closed


def pump(one: socket.socket, data: bytes, limit_s: float) -> int:
    """Send all, reading whatever comes; return the bytes sent before the server closed, if it did.

    Gives up after `limit_s`, as a server may that takes nothing more.
    """
    end = time.monotonic() + limit_s
    view, sent = memoryview(data), 0
    one.setblocking(False)
    with selectors.DefaultSelector() as selector, contextlib.suppress(ConnectionError):
        selector.register(one, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while sent < len(view) and (left := end - time.monotonic()) > 0:
            for _, events in selector.select(left):
                if events & selectors.EVENT_READ and not one.recv(READ):
                    return sent
                if events & selectors.EVENT_WRITE:
                    sent += one.send(view[sent : sent + READ])
    one.settimeout(10)
    return sent


class Silent(AssertionError):
    """The server neither answers nor closes."""


class Line:
    """One connection."""

    def __init__(
        self, address: tuple[str, int], seen: list[Reply], timeout_s: float, source: str = ""
    ) -> None:
        self.socket = connect(address, timeout_s, source)
        self._seen = seen
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send; False when the server has closed."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            return False
        return True

    def reply(self) -> Reply | None:
        """Return the next response; None once the server has closed.

        Raises:
            AssertionError: it stays silent, or what comes is no whole HTTP.
        """
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return None
        text, _, rest = self._read.partition(b"\r\n\r\n")
        line, *fields = text.decode("latin-1").split("\r\n")
        words = line.split(" ", 2)
        assert words[0].startswith("HTTP/1."), f"no HTTP: {line!r}"
        headers = {}
        for one in fields:
            name, _, value = one.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        self._read = rest
        while len(self._read) < length:
            assert self._more(), "the response is cut short"
        body, self._read = self._read[:length], self._read[length:]
        reply = Reply(int(words[1]), headers, body)
        self._seen.append(reply)
        return reply

    def replies(self, quiet_s: float = QUIET_S) -> list[Reply]:
        """Return all responses until the server closes, or says nothing for so long."""
        found = []
        self.socket.settimeout(quiet_s)
        with contextlib.suppress(Silent):
            while (reply := self.reply()) is not None:
                found.append(reply)
        return found

    def _more(self) -> bool:
        try:
            data = self.socket.recv(READ)
        except TimeoutError as error:
            raise Silent("the server is silent") from error
        except ConnectionError:
            return False
        self._read += data
        return bool(data)
