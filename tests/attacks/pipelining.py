"""Many requests at once on one connection."""

import json
import threading

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Line
from tests.attacks.http2 import Session, call_headers
from tests.attacks.messages import ELEMENTS, post
from tests.attacks.target import Target


def numbered(at: int) -> list[float]:
    """Return values that no other request has."""
    return [float(at)] * ELEMENTS


def values(line: Line) -> list[float]:
    """Return what the next answer holds."""
    reply = line.reply()
    assert reply is not None, "closed"
    assert reply.status == 200, f"{reply}"
    found: list[float] = json.loads(reply.body)["outputs"][0]["data"]
    return found


@attack()
def pipelined_requests(target: Target) -> None:
    """200 requests in one piece: each is answered in order, with its own data."""
    requests = [post(messages.good_json(numbered(at))) for at in range(200)]
    whole = b"".join(requests)
    for cut in (len(whole), len(whole) // 2 + 7, 1000, 61):
        with target.http() as line:
            for at in range(0, len(whole), cut):
                line.send(whole[at : at + cut])
            for at in range(len(requests)):
                got = values(line)
                assert got == numbered(at), f"request {at} is answered with {got[0]}"


@attack()
def pipelined_faults(target: Target) -> None:
    """Good and bad requests in turns, in one piece: each has its own answer."""
    bad = [
        post(b"{"),
        post(b"", path="/v2/models/none/infer"),
        post(b"x" * 100_000),
        messages.head("GET /none"),
    ]
    pieces: list[bytes] = []
    wanted: list[int | None] = []
    for at in range(200):
        good = at % 2 == 0
        pieces.append(post(messages.good_json(numbered(at))) if good else bad[at // 2 % len(bad)])
        wanted.append(at if good else None)
    with target.http() as line:
        line.send(b"".join(pieces))
        for number in wanted:
            if number is not None:
                assert values(line) == numbered(number)
                continue
            reply = line.reply()
            assert reply is not None, "closed"
            assert 400 <= reply.status < 500 or not target.strict, f"{reply}"


@attack()
def pipelined_and_unread(target: Target) -> None:
    """10,000 requests in one piece on each of ten connections, whose answers nobody reads."""
    many = post(messages.good_json(numbered(1))) * 10_000
    lines = [target.http(timeout_s=1) for _ in range(10)]
    try:
        for line in lines:
            threading.Thread(target=_pour, args=(line, many), daemon=True).start()
        for _ in range(3):
            target.well()
    finally:
        for line in lines:
            line.socket.close()


def _pour(line: Line, data: bytes) -> None:
    try:
        line.send(data)
    except OSError:
        return


@attack()
def calls_side_by_side(target: Target) -> None:
    """1,000 calls at once on one HTTP/2 connection: each has its own answer."""
    with target.session() as session:
        asked = {_send(session, at): at for at in range(1000)}
        for stream, at in asked.items():
            got = session.wait(stream)
            assert got.status == "0", f"call {at}: {got}"
            found = messages.values_of(got.message)
            assert found == numbered(at), f"call {at} is answered with {found[0]}"


def _send(session: Session, at: int) -> int:
    stream = session.open(call_headers())
    session.data(stream, messages.prefixed(messages.good_call(numbered(at))))
    return stream
