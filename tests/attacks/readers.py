"""HTTP/2 clients that cancel, and clients that do not take what they asked for."""

import struct
from contextlib import ExitStack
from typing import Final

import h2.settings
from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.frames import block, raw
from tests.attacks.http1 import pump
from tests.attacks.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    RST_STREAM,
    WINDOW_UPDATE,
    call_headers,
    frame,
    frames,
    opening,
)
from tests.attacks.messages import IMAGE_PATH, PATH, prefixed
from tests.attacks.target import Target

#: Pictures that a server takes on one connection before it has to read: 4 MiB.
OF_A_WINDOW: Final = 6


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
    headers, body = asked("grpc", image=True)
    with ExitStack() as stack:
        sessions = [stack.enter_context(target.session()) for _ in range(target.many(60, 30))]
        streams = []
        for session in sessions:
            session.widen()
            for _ in range(OF_A_WINDOW):
                streams.append((session, session.open(headers)))
                session.data(streams[-1][1], body[:-1], end=False)
        # Who has answers to send and cannot, reads no more: all of them are asked for at once.
        for session, stream in streams:
            session.data(stream, body[-1:])
        target.well()
        got = [session.streams[stream] for session, stream in streams]
        early = sum(one.over for one in got)
        assert early < len(got) // 2, f"{early} of {len(got)} pictures were read"
        # All were held for them: whoever reads at last has what was asked for.
        for session, stream in streams:
            answer = session.wait(stream)
            assert answer.status == "0" or not target.strict, f"{answer.status} {session.farewell}"
            assert len(answer.body) > messages.IMAGE_BYTES or not target.strict, len(answer.body)


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
