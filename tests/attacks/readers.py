"""HTTP/2 clients that cancel, and clients that do not take what they asked for."""

import struct
from contextlib import ExitStack

import h2.settings
from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.frames import INITIAL_WINDOW_SIZE, block, raw
from tests.attacks.http1 import pump
from tests.attacks.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    RST_STREAM,
    WIDE,
    WINDOW_UPDATE,
    call_headers,
    frame,
    frames,
    opening,
    setting,
)
from tests.attacks.messages import IMAGE_PATH, PATH, prefixed
from tests.attacks.target import Target


def asked(front: str, image: bool) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of a good request on a port."""
    if front == "grpc":
        body = messages.image_call() if image else messages.good_call([1.0] * messages.ELEMENTS)
        return call_headers(), prefixed(body)
    if not image:
        return call_headers(PATH, front), messages.good()
    line, body = messages.image()
    name, _, value = line.strip().partition(": ")
    return [*call_headers(IMAGE_PATH, front), (name.lower(), value)], body


@attack()
def a_hundred_cancels_at_once(target: Target) -> None:
    """A client whose hundred calls run out of time together keeps its connection."""
    for front in target.fronts():
        headers, body = asked(front, image=False)
        with target.session(front) as session:
            for _ in range(5):
                streams = [session.open(headers) for _ in range(100)]
                session.socket.sendall(b"")
                for stream in streams:
                    session.reset(stream)
            got = session.call(body, headers)
            assert got.whole or not target.strict, f"{front}: {got} {session.farewell}"


@attack()
def cancels_in_one_piece(target: Target) -> None:
    """200 calls, each with its cancel, in one write, and a good call behind them."""
    for front in target.fronts():
        start, (_, body) = block(front), asked(front, image=False)
        many = [
            frame(HEADERS, END_HEADERS, at, start)
            + frame(DATA, END_STREAM, at, body)
            + frame(RST_STREAM, 0, at, struct.pack(">I", 8))
            for at in range(1, 401, 2)
        ]
        last = frame(HEADERS, END_HEADERS, 401, start) + frame(DATA, END_STREAM, 401, body)
        with raw(target, front) as line:
            line.send(opening() + b"".join(many) + last)
            for kind, flags, stream, payload in frames(line.socket):
                assert kind != GOAWAY or not target.strict, f"{front}: {payload!r}"
                if stream == 401 and flags & END_STREAM and kind in (DATA, HEADERS):
                    break
            else:
                assert not target.strict, f"{front}: closed before the good call was answered"


@attack()
def zero_window_readers(target: Target) -> None:
    """Clients whose windows never open ask for a thousand small answers and for pictures."""
    for front in target.fronts():
        with ExitStack() as stack:
            for image, calls, sessions in (
                (False, 1000, target.many(20, 4)),
                (True, 30, target.many(4, 2)),
            ):
                headers, body = asked(front, image)
                for _ in range(sessions):
                    session = stack.enter_context(target.session(front))
                    session.tell({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
                    for _ in range(calls):
                        session.data(session.open(headers), body)
                target.well()


@attack()
def readers_of_wide_windows(target: Target) -> None:
    """Clients whose windows are wide open ask for pictures and read nothing from the socket."""
    _, body = asked("grpc", image=True)
    start = block("grpc")
    calls = b"".join(
        frame(HEADERS, END_HEADERS, at, start)
        + b"".join(
            frame(DATA, 0, at, body[cut : cut + 16_384]) for cut in range(0, len(body), 16_384)
        )
        + frame(DATA, END_STREAM, at)
        for at in range(1, 61, 2)
    )
    wide = opening(setting(INITIAL_WINDOW_SIZE, WIDE)) + frame(
        WINDOW_UPDATE, 0, 0, struct.pack(">I", WIDE - 65_535)
    )
    with ExitStack() as stack:
        for _ in range(target.many(20, 4)):
            session = stack.enter_context(target.session())
            session.socket.close()
            line = stack.enter_context(target.door(target.grpc_port))
            line.socket.settimeout(0.5)
            try:
                line.socket.sendall(wide + calls)
            except OSError:
                continue
        target.well()


@attack()
def readers_of_a_byte(target: Target) -> None:
    """Clients that open their windows by a byte at a time."""
    for front in target.fronts():
        headers, body = asked(front, image=True)
        with ExitStack() as stack:
            sessions = [stack.enter_context(target.session(front)) for _ in range(10)]
            streams = []
            for session in sessions:
                session.tell({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1})
                streams.append(session.open(headers))
                session.data(streams[-1], body)
            for _ in range(target.many(2000, 300)):
                for session, stream in zip(sessions, streams, strict=True):
                    step = struct.pack(">I", 1)
                    pump(session.socket, frame(WINDOW_UPDATE, 0, stream, step), 1)
            target.well()
