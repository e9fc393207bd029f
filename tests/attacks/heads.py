"""Heads that are giant, endless or no heads at all."""

from typing import Final

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Line, pump
from tests.attacks.lengths import exchange, told
from tests.attacks.messages import PATH
from tests.attacks.target import Target

MIB: Final = 1 << 20


@attack()
def giant_headers(target: Target) -> None:
    """A header, a name, a path, a method or a version of a megabyte; 10,000 headers."""
    long = "a" * MIB
    for data in (
        f"GET /v2 HTTP/1.1\r\nX: {long}\r\n\r\n",
        f"GET /v2 HTTP/1.1\r\n{long}: x\r\n\r\n",
        f"GET /{long} HTTP/1.1\r\n\r\n",
        f"{long} / HTTP/1.1\r\n\r\n",
        f"GET / {long}\r\n\r\n",
        long,
        "GET /v2 HTTP/1.1\r\n" + "X: y\r\n" * 10_000 + "\r\n",
        "GET /v2 HTTP/1.1\r\n" + "".join(f"X{at}: y\r\n" for at in range(10_000)) + "\r\n",
        f"POST {PATH} HTTP/1.1\r\nContent-Type: {long}\r\nContent-Length: 2\r\n\r\n{{}}",
        f"GET /v2/models/{'%61' * 20_000}/ready HTTP/1.1\r\n\r\n",
        f"GET /v2/models/{'m' * 60_000} HTTP/1.1\r\n\r\n",
    ):
        replies = exchange(target, data.encode())
        fine = len(replies) <= 1 and all(400 <= reply.status < 500 for reply in replies)
        assert fine or not target.strict, f"{data[:60]!r} is answered with {told(replies)}"


@attack()
def header_flood(target: Target) -> None:
    """Heads that never end, as fast as they are taken, on twenty connections."""
    lines = [target.http() for _ in range(20)]
    flood = b"GET /v2 HTTP/1.1\r\n" + b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 400_000
    try:
        for line in lines:
            taken = pump(line.socket, flood, limit_s=3)
            assert taken < len(flood) or not target.strict, "all of an endless head is taken"
    finally:
        for line in lines:
            line.socket.close()


@attack()
def bad_heads(target: Target) -> None:
    """Bytes that are no head: control characters, wrong ends of lines, other protocols, noise."""
    dice = target.dice
    noise = [dice.randbytes(dice.randint(1, 2000)) for _ in range(target.many(500, 100))]
    for data in (
        *(
            b"\r\n" * 1000,
            b"\n" * 1000,
            b"\0" * 1000,
            b" " * 1000,
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\n\n",
        ),
        *(b"GET  /  HTTP/1.1\r\n\r\n", b"get / http/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"),
        *(
            b"GET / HTTP/1.1\r\nX\r\n\r\n",
            b"GET / HTTP/1.1\r\n: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n X: y\r\n\r\n",
        ),
        *(
            b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\rX: a\r\r",
            b"GET /\0 HTTP/1.1\r\n\r\n",
        ),
        *(
            b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ),
        *(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise[0],
            b"SSH-2.0-x\r\n",
            b"EHLO x\r\n",
        ),
        *(b"PRI * HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"PRI", b"PRX"),
        *(
            b"CONNECT x:1 HTTP/1.1\r\n\r\n",
            b"TRACE / HTTP/1.1\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\n\r\n",
        ),
        *(
            b"GET http://[::1 HTTP/1.1\r\n\r\n",
            b"GET //// HTTP/1.1\r\n\r\n",
            b"GET * HTTP/1.1\r\n\r\n",
        ),
        *(b"GET /v2/models/%00/ready HTTP/1.1\r\n\r\n", b"GET /v2/models/%zz HTTP/1.1\r\n\r\n"),
        *(
            b"GET /v2/models/../../etc/passwd HTTP/1.1\r\n\r\n",
            b"GET /%2e%2e/%2e%2e HTTP/1.1\r\n\r\n",
        ),
        messages.head("GET /v2", "Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AAAA\r\n"),
        messages.head(
            "GET /v2", "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n"
        ),
        messages.head(f"POST {PATH}", "Expect: 200-maybe\r\nContent-Length: 2\r\n") + b"{}",
        *noise,
    ):
        line: Line = target.http()
        with line:
            line.send(data)
            replies = line.replies(quiet_s=0.02)
        server_errors = [reply for reply in replies if reply.status >= 500]
        assert not server_errors or not target.strict, f"{data[:60]!r}: {told(replies)}"
