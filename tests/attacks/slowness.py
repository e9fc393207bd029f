"""Clients that are slow on purpose."""

import itertools
import socket
import time
from contextlib import ExitStack

from tests.attacks import messages, process
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Line, ended
from tests.attacks.http2 import call_headers
from tests.attacks.lengths import infer
from tests.attacks.messages import IMAGE_PATH, post
from tests.attacks.target import Target

#: One source address has so many ports, with room for others.
A_SOURCE = 20_000


def sources(target: Target, count: int) -> list[str]:
    """Return addresses of this machine to come from, enough for so many connections."""
    if not target.host.startswith("127."):
        return [""] * count
    return [f"127.0.0.{2 + at // A_SOURCE}" for at in range(count)]


def connected(target: Target, stack: ExitStack, count: int) -> list[Line]:
    """Open so many connections, which end with the stack."""
    return [stack.enter_context(target.http(source=one)) for one in sources(target, count)]


@attack()
def slow_loris(target: Target) -> None:
    """400 connections that send a byte of a head each half second."""
    with ExitStack() as stack:
        lines = connected(target, stack, 400)
        head = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100
        # Headrace gives a head ten seconds: in full, all of these are closed in the end.
        seconds = target.many(16, 2)
        closed: set[Line] = set()
        for at in range(2 * seconds):
            closed.update(
                line for line in lines if line not in closed and not line.send(head[at : at + 1])
            )
            target.well()
            time.sleep(0.5)  # noqa: TID251 - slowness is what is tested
        kept = (
            len(lines)
            - ended([line.socket for line in lines if line not in closed], 2)
            - len(closed)
        )
        assert kept == 0 or not target.full or not target.strict, f"{kept} are still open"


@attack()
def slow_bodies(target: Target) -> None:
    """32 connections announce 60 MiB, send 4 MiB at once, and then a byte now and then."""
    body = b"{" + b" " * (4 << 20)
    with ExitStack() as stack:
        lines = connected(target, stack, 32)
        for line in lines:
            line.send(infer(f"Content-Length: {60 << 20}\r\n", body))
        headers, image = messages.image()
        for _ in range(target.many(20, 4)):
            target.well()
            for line in lines:
                line.send(b" ")
            reply = target.ask(image, headers, IMAGE_PATH)
            assert reply is not None, "a picture beside them is not answered"
            assert reply.status == 200, f"a picture beside them: {reply}"
            time.sleep(0.2)  # noqa: TID251 - slowness is what is tested


@attack()
def idle_connections(target: Target) -> None:
    """10,000 connections that say nothing, or have said something once."""
    with ExitStack() as stack:
        lines = connected(target, stack, 8000)
        for source in sources(target, 2000):
            stack.enter_context(Line((target.host, target.grpc_port), target.seen, 10, source))
        for line in lines[::4]:
            line.send(messages.LIVE)
        for line in lines[::4]:
            assert line.reply() is not None, "closed"
        target.well()


@attack()
def half_a_head_behind_a_request(target: Target) -> None:
    """A request and the beginning of the next in one piece, and then nothing, 400 times."""
    with ExitStack() as stack:
        lines = connected(target, stack, 400)
        for at, line in enumerate(lines):
            line.send(
                messages.LIVE + b"GET /v2/health/live HTTP/1.1\r\nX: " + b"a" * (at % 2 * 30_000)
            )
        for line in lines:
            assert line.reply() is not None, "closed"
        target.well()
        if target.full and target.strict:
            closed = ended((line.socket for line in lines), 25)
            assert closed == len(lines), f"{len(lines) - closed} are still open after 25 s"


@attack()
def readers_that_do_not_read(target: Target) -> None:
    """200 clients of HTTP/1 that ask for pictures and read none of them."""
    headers, image = messages.image()
    request = post(image, headers, IMAGE_PATH)
    with ExitStack() as stack:
        lines = connected(target, stack, target.many(200, 60))
        for line in lines:
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for line, _ in itertools.product(lines, range(3)):
            line.socket.settimeout(0.5)
            try:
                line.send(request)
            except TimeoutError:
                continue
        target.well()


@attack()
def calls_that_do_not_come(target: Target) -> None:
    """HTTP/2 connections with a thousand calls each, whose messages never come."""
    with ExitStack() as stack:
        for _ in range(target.many(20, 4)):
            session = stack.enter_context(target.session())
            for _ in range(1000):
                session.open(call_headers())
        target.well()


@attack()
def connections_come_and_go(target: Target) -> None:
    """20,000 connections, one after the other, that say nothing."""
    for source in sources(target, target.many(20_000, 3000)):
        with target.http(source=source):
            pass
    assert process.until(lambda: process.open_files(target.pid) < 1000, 5)
