"""Bodies that are small until they are unpacked."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Final

from tests.attacks import messages
from tests.attacks.bodies import refused
from tests.attacks.catalogue import attack
from tests.attacks.http2 import call_headers
from tests.attacks.messages import prefixed
from tests.attacks.target import Target

GIB: Final = 1 << 30
PIECE: Final = 1 << 20


def bomb(size: int, wbits: int) -> bytes:
    """Return `size` spaces, packed: a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    pieces = [packer.compress(b" " * PIECE) for _ in range(size // PIECE)]
    return b"".join([*pieces, packer.flush()])


def broken(whole: bytes) -> Iterator[bytes]:
    """Return packed bytes as they should not be."""
    yield whole[: len(whole) // 2]
    yield whole[:10]
    yield b""
    yield b"\x1f\x8b"
    yield whole[:-4] + b"\xff\xff\xff\xff"
    yield whole[:-8] + bytes(4) + whole[-4:]
    yield whole + b"garbage"
    yield bytes(len(whole))
    yield b"\x1f\x8b\x08\x1f" + whole[4:]


@attack()
def zip_bombs(target: Target) -> None:
    """A megabyte that unpacks to a gigabyte, as gzip, as deflate, and packed again, over HTTP."""
    size = target.many(GIB, GIB // 4)
    gzipped, deflated = bomb(size, 31), bomb(size, 15)
    for coding, body in (
        ("gzip", gzipped),
        ("deflate", deflated),
        ("gzip", deflated),
        ("gzip", gzip.compress(gzipped)),
        ("gzip", gzip.compress(gzip.compress(gzipped))),
        ("deflate", zlib.compress(zlib.compress(deflated))),
        ("gzip, gzip", gzip.compress(gzipped)),
        ("gzip,gzip,gzip,gzip", gzipped),
        ("deflate, gzip", gzip.compress(deflated)),
    ):
        reply = target.ask(body, f"Content-Encoding: {coding}\r\n")
        fine = reply is None or reply.status in (400, 501) or not target.strict
        assert fine, f"{coding} is answered with {reply}"


@attack()
def many_zip_bombs_at_once(target: Target) -> None:
    """Sixty-four bombs at the same time."""
    body = messages.post(bomb(GIB // 2, 31), "Content-Encoding: gzip\r\n")
    lines = [target.http(timeout_s=60) for _ in range(target.many(64, 24))]
    try:
        for line in lines:
            line.send(body)
        target.well(limit_s=3)
        for line in lines:
            line.reply()
    finally:
        for line in lines:
            line.socket.close()


@attack()
def broken_packings(target: Target) -> None:
    """Packed bodies that are cut, lie about themselves, or consist of 100,000 empty parts."""
    good = messages.good()
    for body in broken(gzip.compress(good)):
        target.ask(body, "Content-Encoding: gzip\r\n")
    for body in broken(zlib.compress(good)):
        target.ask(body, "Content-Encoding: deflate\r\n")
    for coding in ("br", "zstd", "x", "gzip;q=0", "identity, gzip", "", "gzip\t", "\xff"):
        target.ask(gzip.compress(good), f"Content-Encoding: {coding}\r\n")
    with target.http(timeout_s=60) as line:
        parts = gzip.compress(b"") * target.many(1_000_000, 100_000)
        line.send(messages.post(parts, "Content-Encoding: gzip\r\n"))
        target.well()
        line.reply()
    refused(target, good, "Content-Encoding: gzip\r\n")


@attack()
def grpc_zip_bombs(target: Target) -> None:
    """The same bombs and broken parts as messages of gRPC."""
    size = target.many(GIB, GIB // 4)
    good = messages.good_call([1.0] * messages.ELEMENTS)
    cases = [("gzip", bomb(size, 31), 1), ("deflate", bomb(size, 15), 1)]
    cases += [("gzip", gzip.compress(bomb(size, 31)), 1)]
    cases += [("gzip", body, 1) for body in broken(gzip.compress(good))]
    cases += [("deflate", body, 1) for body in broken(zlib.compress(good))]
    # The flag and the header contradict each other, or name what nobody knows.
    cases += [
        ("identity", good, 1),
        ("", good, 1),
        ("gzip", gzip.compress(good), 0),
        ("br", good, 1),
    ]
    cases += [("gzip", good, flag) for flag in (2, 3, 127, 128, 255)]
    for coding, message, flag in cases:
        named = [("grpc-encoding", coding)] if coding else []
        with target.session(timeout_s=30) as session:
            got = session.call(prefixed(message, flag), [*call_headers(), *named])
        # Bytes behind a packed message are nothing that hurts anybody.
        fine = got.status not in ("", "0") or message.endswith(b"garbage")
        assert fine or not target.strict, f"{coding} {message[:20]!r} {flag}: {got.status!r}"
