"""Lengths that lie, and two ways to say how long a body is."""

import json
import socket
from typing import Final

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Reply, abort, ended
from tests.attacks.http2 import call_headers
from tests.attacks.messages import MOST_BODY, PATH, head, post
from tests.attacks.target import Target

#: What is smuggled: whoever answers it took a body's bytes for a request.
SMUGGLED: Final = messages.LIVE


def exchange(target: Target, data: bytes) -> list[Reply]:
    """Send bytes; return the responses until the server closes, or waits for more."""
    with target.http() as line:
        line.send(data)
        return line.replies()


def infer(headers: str, body: bytes) -> bytes:
    """Return a request whose headers alone say how long its body is."""
    return head(f"POST {PATH}", headers) + body


def told(replies: list[Reply]) -> str:
    """Return what came, for people."""
    return " and ".join(map(str, replies)) or "nothing"


@attack()
def content_length_lies(target: Target) -> None:
    """Content-Length too small, negative, twice, or no number."""
    good = messages.good()
    size = len(good)
    for value in (
        "-1",
        "+1",
        "1e3",
        "0x10",
        " ",
        "",
        "1,2",
        f"{1 << 64}",
        "9" * 400,
        "1 1",
        "1;",
        "\t5\x0b",
    ):
        replies = exchange(target, infer(f"Content-Length: {value}\r\n", good))
        fine = len(replies) <= 1 and all(400 <= reply.status < 500 for reply in replies)
        assert fine or not target.strict, f"a length of {value!r} is answered with {told(replies)}"
    differing = f"Content-Length: {size}\r\nContent-Length: {size - 5}\r\n"
    replies = exchange(target, infer(differing, good))
    assert all(reply.status == 400 for reply in replies) or not target.strict, told(replies)
    # What is left of a body whose length is too small is no request.
    replies = exchange(target, infer("Content-Length: 5\r\n", good))
    assert [reply.status for reply in replies] == [400, 400] or not target.strict, told(replies)
    too_large = infer(f"Content-Length: {MOST_BODY + 1}\r\n", good)
    replies = exchange(target, too_large)
    assert [reply.status for reply in replies] == [400] or not target.strict, told(replies)


@attack()
def transfer_encoding_smuggling(target: Target) -> None:
    """Transfer-Encoding in all the forms by which a second request is smuggled in a body."""
    good = messages.good()
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good)
    hidden = b"0\r\n\r\n" + SMUGGLED
    for coding in (
        *(
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: CHUNKED",
            "transfer-encoding:\tchunked",
        ),
        *("Transfer-Encoding: xchunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip"),
        *("Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked"),
        *(
            "Transfer-Encoding : chunked",
            "Transfer-Encoding: \x0bchunked",
            "Transfer-Encoding: chunked\x00",
        ),
        *(
            "Transfer-Encoding:\r\n chunked",
            "X: y\r\n Transfer-Encoding: chunked",
            "Transfer-Encoding: 'chunked'",
        ),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding: chunked\nX: y",
    ):
        for length in (len(hidden), 5, 4, 0):
            both = infer(f"Content-Length: {length}\r\n{coding}\r\n", hidden)
            replies = exchange(target, both)
            # Who reads the length and who reads the chunks may differ about what follows only if
            # nothing does: an answer to the hidden request must not come after a good one.
            smuggled = len(replies) > 1 and replies[1].status == 200 and length == len(hidden)
            assert not smuggled or not target.strict, f"{coding!r}, {length}: {told(replies)}"
        replies = exchange(target, infer(f"{coding}\r\n", whole))
        assert len(replies) <= 3, f"{coding!r}: {told(replies)}"
        assert all(reply.status < 500 for reply in replies) or not target.strict, told(replies)


@attack()
def chunk_sizes(target: Target) -> None:
    """Chunk sizes that overflow, lie or never end, and 100,000 chunks of one byte."""
    good = messages.good()
    chunked = "Transfer-Encoding: chunked\r\n"
    for body in (
        *(
            b"FFFFFFFFFFFFFFFF\r\nx",
            b"10000000000000000\r\nx",
            b"-1\r\nx",
            b"+1\r\nx\r\n0\r\n\r\n",
            b"g\r\n",
        ),
        *(
            b"\r\n",
            b" 1\r\nx",
            b"1 \r\nx\r\n0\r\n\r\n",
            b"0x1\r\nx\r\n0\r\n\r\n",
            b"1\nx\n0\n\n",
            b"2\r\nx\r\n0\r\n\r\n",
        ),
        *(
            b"1\r\nxx\r\n0\r\n\r\n",
            b"1;" + b"e" * 1_000_000 + b"\r\nx\r\n0\r\n\r\n",
            b"1" * 100_000,
        ),
        b"0\r\n" + b"t: v\r\n" * 200_000 + b"\r\n",
        b"%x\r\n" % (MOST_BODY + 1) + b"x" * 1000,
        b"%x\r\n%b\r\n" % (len(good), good),
    ):
        replies = exchange(target, infer(chunked, body))
        fine = all(400 <= reply.status < 500 for reply in replies)
        assert fine or not target.strict, f"{body[:40]!r}: {told(replies)}"
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in good) + b"0\r\n\r\n"
    with target.http() as line:
        line.send(infer(chunked, single))
        reply = line.reply()
        assert reply is not None, "closed"
        assert reply.status == 200, f"{reply}"
        line.send(infer(chunked, b"1\r\n \r\n" * target.many(100_000, 20_000) + b"0\r\n\r\n"))
        reply = line.reply()
        assert reply is None or reply.status == 400 or not target.strict, f"{reply}"


@attack()
def inference_header_lies(target: Target) -> None:
    """Inference-Header-Content-Length that is no number, too large, or cuts the JSON."""
    good = messages.good()
    size = len(good)
    for value in (
        "-1",
        "x",
        "",
        "1e2",
        f"{1 << 64}",
        f"{1 << 63}",
        f"{size + 1}",
        f"{size - 1}",
        "1",
        "5,5",
    ):
        reply = target.ask(good, f"Inference-Header-Content-Length: {value}\r\n")
        fine = reply is None or reply.status == 400 or not target.strict
        assert fine, f"a length of {value!r} is answered with {reply}"
    for told_size in (-1, 0, 1, 63, 65, 1 << 31, 1 << 62, 1 << 64, "64", None, 64.0):
        one = messages.tensor(None, parameters={"binary_data_size": told_size})
        text = json.dumps({"inputs": [one]}).encode()
        reply = target.ask(text + bytes(64), f"Inference-Header-Content-Length: {len(text)}\r\n")
        fine = reply is None or reply.status == 400 or not target.strict
        assert fine, f"a size of {told_size} is answered with {reply}"


@attack()
def half_bodies(target: Target) -> None:
    """Half a body, and then the end or a reset, a thousand times over HTTP and over gRPC."""
    whole = post(messages.good())
    for at in range(target.many(1000, 300)):
        line = target.http()
        line.send(whole[: len(whole) - 1 - at % 80])
        if at % 3 == 0:
            line.socket.shutdown(socket.SHUT_WR)
            replies = line.replies(quiet_s=10)
            assert all(400 <= reply.status < 500 for reply in replies) or not target.strict, told(
                replies
            )
        elif at % 3 == 1:
            abort(line.socket)
        line.socket.close()
    message = messages.prefixed(messages.good_call([1.0] * messages.ELEMENTS))
    for at in range(target.many(1000, 300)):
        with target.session() as session:
            stream = session.open(call_headers())
            session.data(stream, message[: len(message) - 1 - at % 100], end=at % 2 == 0)
            if at % 4 == 0:
                assert session.wait(stream).status in ("3", "13", "1") or not target.strict
            elif at % 4 == 1:
                abort(session.socket)


@attack()
def aborts_after_sending(target: Target) -> None:
    """Whole requests whose sender resets the connection before the answer, large and small."""
    headers, image = messages.image()
    requests = (post(messages.good()), post(image, headers, messages.IMAGE_PATH))
    for at in range(target.many(2000, 600)):
        line = target.http()
        line.send(requests[at % 10 == 0])
        abort(line.socket)


@attack(peak_mib=1200)
def large_bodies_that_never_come(target: Target) -> None:
    """Hundreds of connections announce 60 MiB each and send a byte of it."""
    lines = [target.http() for _ in range(target.many(400, 200))]
    try:
        for line in lines:
            line.send(infer(f"Content-Length: {60 << 20}\r\n", b"{"))
        target.well()
        ended((line.socket for line in lines), 1)
        target.well()
    finally:
        for line in lines:
            line.socket.close()


@attack(peak_mib=1200)
def large_bodies_that_break_off(target: Target) -> None:
    """13 connections send 58 of 60 MiB each, hold them for a moment, and end."""
    lines = [target.http() for _ in range(13)]
    try:
        for line in lines:
            line.send(infer(f"Content-Length: {60 << 20}\r\n", b" " * (58 << 20)))
        target.well()
    finally:
        for line in lines:
            line.socket.close()
