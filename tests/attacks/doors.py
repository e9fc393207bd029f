"""The ports for operators: metrics and console."""

import time
from contextlib import ExitStack

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Reply
from tests.attacks.target import GOOD_S, Target


def doors(target: Target) -> list[tuple[int, str]]:
    """Return the ports and what they answer."""
    found = [(target.metrics_port, "/metrics"), (target.console_port, "/api/health")]
    return [(port, path) for port, path in found if port]


def look(target: Target, port: int, path: str) -> Reply:
    """Return what an operator sees, at once."""
    began = time.monotonic()
    with target.door(port, timeout_s=15) as line:
        line.send(messages.head(f"GET {path}", "Connection: close\r\n"))
        reply = line.reply()
    took = time.monotonic() - began
    assert reply is not None, f"{path}: closed"
    assert reply.status == 200, f"{path}: {reply}"
    assert took < GOOD_S or not target.strict, f"{path}: answered after {took:.1f} s"
    return reply


@attack()
def silent_operators(target: Target) -> None:
    """200 connections to metrics and console that say nothing, or half of something."""
    for port, path in doors(target):
        for said in (b"", b"GET /metr", b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
            with ExitStack() as stack:
                for _ in range(200):
                    stack.enter_context(target.door(port)).send(said)
                look(target, port, path)
            look(target, port, path)


@attack()
def hostile_operators(target: Target) -> None:
    """Giant and broken heads, bodies nobody reads, and other methods, on metrics and console."""
    long = b"a" * (1 << 20)
    for port, path in doors(target):
        for data in (
            *(
                b"GET /" + long + b" HTTP/1.1\r\n\r\n",
                b"GET / HTTP/1.1\r\nX: " + long + b"\r\n\r\n",
                long,
            ),
            *(
                b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
                b"\0" * 1000,
                b"\xff\n\n\r\n\r\n",
            ),
            *(
                b"DELETE / HTTP/1.1\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"GET\r\n\r\n",
                b"PRI * HTTP/2.0\r\n\r\n",
            ),
            messages.post(long, path=path),
            messages.head(f"POST {path}", "Transfer-Encoding: chunked\r\n")
            + b"5\r\nhello\r\n0\r\n\r\n",
            messages.head("GET /api/logs?limit=" + "9" * 5000),
            messages.head("GET /api/logs?after=" + "9" * 5000 + "&model=x"),
            messages.head("GET /api/errors/" + "%ff" * 1000),
            messages.head("GET /api/logs?limit=%D9%A3&limit=" + "&limit=1" * 2000),
        ):
            with target.door(port) as line:
                line.send(data)
                line.replies(quiet_s=0.1)
            look(target, port, path)


@attack()
def operators_who_wait(target: Target) -> None:
    """100 connections that wait for lines of the log, 100 for events that they do not read."""
    if target.console_port:
        for path in ("/api/logs?after=1000000", "/api/events?look=1"):
            with ExitStack() as stack:
                for _ in range(100):
                    line = stack.enter_context(target.door(target.console_port))
                    line.send(messages.head(f"GET {path}"))
                look(target, target.console_port, "/api/health")
            look(target, target.console_port, "/api/health")


@attack()
def scrapes_that_nobody_reads(target: Target) -> None:
    """200 scrapes whose answers nobody reads."""
    with ExitStack() as stack:
        for _ in range(200):
            line = stack.enter_context(target.door(target.metrics_port))
            line.send(messages.head("GET /metrics") * 10)
        look(target, target.metrics_port, "/metrics")
