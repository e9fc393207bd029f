"""The attacked server: where it listens, who it is, and whether it still answers well."""

import json
import random
from dataclasses import dataclass, field
from typing import Final

from tests.attacks import messages, process
from tests.attacks.http1 import Line, Reply, Silent
from tests.attacks.http2 import Session

#: A good request is answered within it, whatever else goes on.
GOOD_S: Final = 1.0
MOST_LATE: Final = 2


@dataclass
class Target:
    """A server with the models `identity` (FP32[16]) and `image` (FP32[3,224,224])."""

    host: str
    port: int
    grpc_port: int
    metrics_port: int
    #: 0: there is none.
    console_port: int
    pid: int
    #: All numbers as they are, or smaller ones where the full ones take long.
    full: bool
    #: Headrace promises more than that a server survives.
    strict: bool = True
    #: Connections that each port takes.
    most_connections: int = 8192
    #: Every reply over HTTP/1 since it was emptied last.
    seen: list[Reply] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    def many(self, full: int, few: int) -> int:
        """Return how many of something are sent."""
        return full if self.full else few

    def http(self, timeout_s: float = 10.0, source: str = "") -> Line:
        """Connect to the HTTP port."""
        return Line((self.host, self.port), self.seen, timeout_s, source)

    def door(self, port: int, timeout_s: float = 10.0) -> Line:
        """Connect to another port that speaks HTTP/1."""
        return Line((self.host, port), self.seen, timeout_s)

    def ask(self, body: bytes, headers: str = "", path: str = messages.PATH) -> Reply | None:
        """POST a body over a connection of its own; None if the server closes without a word."""
        with self.http() as line:
            line.send(messages.post(body, headers, path))
            return line.reply()

    def session(self, front: str = "grpc", timeout_s: float = 10.0) -> Session:
        """Connect to a port over HTTP/2: `grpc` or `http`."""
        port = self.grpc_port if front == "grpc" else self.port
        return Session((self.host, port), timeout_s)

    def fronts(self) -> tuple[str, ...]:
        """Return the ports that speak HTTP/2."""
        return ("grpc", "http") if self.strict else ("grpc",)

    def well(self, limit_s: float = GOOD_S) -> None:
        """Send one good request over HTTP, one over gRPC and one to the console.

        Each has a connection of its own.

        Raises:
            AssertionError: an answer is wrong, or three in a row are late.
        """
        for send in (self._good_http, self._good_grpc, self._good_console):
            for late in range(MOST_LATE + 1):
                try:
                    send(limit_s)
                    break
                except (OSError, Silent) as error:
                    # Once the machine may have had other things to do, and not the server.
                    told = f"{send.__name__[6:]}: no answer within {limit_s:g} s: {error!r}"
                    assert late < MOST_LATE, told

    def _good_http(self, limit_s: float) -> None:
        values = self._values()
        with Line((self.host, self.port), [], limit_s) as line:
            line.send(messages.post(messages.good_json(values)))
            reply = line.reply()
        assert reply is not None, "http: closed without an answer"
        assert reply.status == 200, f"http: {reply}"
        got = json.loads(reply.body)["outputs"][0]["data"]
        assert got == values, f"http: sent {values}, got {got}"

    def _good_grpc(self, limit_s: float) -> None:
        values = self._values()
        with self.session(timeout_s=limit_s) as session:
            got = session.call(messages.prefixed(messages.good_call(values)))
        assert got.status == "0", f"grpc: {got}"
        assert messages.values_of(got.message) == values, "grpc: the answer is not what was sent"

    def _good_console(self, limit_s: float) -> None:
        if self.console_port:
            with Line((self.host, self.console_port), [], limit_s) as line:
                line.send(messages.head("GET /api/health"))
                reply = line.reply()
            assert reply is not None, "console: closed without an answer"
            assert reply.status == 200, f"console: {reply}"

    def _values(self) -> list[float]:
        return [float(self.dice.randrange(1 << 20)) for _ in range(messages.ELEMENTS)]

    def lives(self) -> bool:
        """Return whether it is the process that it was."""
        return process.listener(self.port) == self.pid

    def memory_mib(self) -> int:
        """Return the server's resident memory now."""
        return process.memory_mib(self.pid)
