"""Floods of HTTP/2 frames, and frames that no honest client sends."""

import struct
from contextlib import ExitStack
from typing import Final

import hpack
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Line, ended, pump
from tests.attacks.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WIDE,
    WINDOW_UPDATE,
    call_headers,
    frame,
    opening,
    setting,
)
from tests.attacks.slowness import sources
from tests.attacks.target import Target

INITIAL_WINDOW_SIZE: Final = 4
#: How long one flood may take; a server that takes nothing more has its own way to stand it.
FLOOD_S: Final = 5.0


def block(front: str, *extra: tuple[str, str]) -> bytes:
    """Return the headers of a call, packed for any connection."""
    return hpack.Encoder().encode([*call_headers(front=front), *extra], huffman=False)


def raw(target: Target, front: str, source: str = "") -> Line:
    """Connect to a port that speaks HTTP/2, without a word."""
    port = target.grpc_port if front == "grpc" else target.port
    return Line((target.host, port), [], 10, source)


def flood(target: Target, front: str, data: bytes) -> None:
    """Send all of it on one connection, or as much as is taken."""
    with raw(target, front) as line:
        pump(line.socket, data, FLOOD_S)


def stops(target: Target, front: str, data: bytes) -> bool:
    """Do the same; return whether the server takes nothing more at some time, or ends it."""
    with raw(target, front) as line:
        # All may be sent and lie in the system's buffers.
        return pump(line.socket, data, FLOOD_S) < len(data) or ended([line.socket], FLOOD_S) == 1


@attack()
def control_frame_floods(target: Target) -> None:
    """100,000 frames of each kind that says nothing, and of one that is none."""
    for front in target.fronts():
        call = frame(HEADERS, END_HEADERS, 1, block(front))
        for one in (
            frame(SETTINGS, 0, 0),
            frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 1) * 6),
            frame(SETTINGS, 1, 0),
            frame(PING, 0, 0, bytes(8)),
            frame(PING, 1, 0, bytes(8)),
            frame(PRIORITY, 0, 3, struct.pack(">IB", 5, 16)),
            frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
            frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)),
            frame(GOAWAY, 0, 0, bytes(8)),
            frame(RST_STREAM, 0, 1, bytes(4)),
            frame(DATA, 0, 1),
            frame(DATA, 8, 1, b"\xff" + bytes(255)),
            frame(77, 0, 0, bytes(10)),
        ):
            flood(target, front, opening() + call + one * target.many(100_000, 20_000))
            target.well()


@attack()
def changes_of_many_windows(target: Target) -> None:
    """A thousand streams whose windows a SETTINGS frame changes, over and over."""
    for front in target.fronts():
        calls = b"".join(
            frame(HEADERS, END_HEADERS, 1 + 2 * at, block(front)) for at in range(1000)
        )
        changes = b"".join(
            frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, size)) for size in (0, WIDE)
        )
        flood(target, front, opening() + calls + changes * target.many(20_000, 4000))
        target.well()


@attack()
def continuation_flood(target: Target) -> None:
    """Headers that go on for ever: in pieces, in empty ones, and as thousands of references."""
    for front in target.fronts():
        start = block(front)
        piece = hpack.Encoder().encode([("x", "y" * 1000)] * 10, huffman=False)
        for more in (piece, b""):
            endless = frame(CONTINUATION, 0, 1, more) * (
                target.many(40 << 20, 8 << 20) // (9 + len(more))
            )
            stopped = stops(target, front, opening() + frame(HEADERS, 0, 1, start) + endless)
            assert stopped or not target.strict, f"{front}: all of endless headers are taken"
            target.well()
        # One header of 4,000 bytes enters the table of the connection; a byte each repeats it.
        bomb = hpack.Encoder().encode([("x", "y" * 3900)], huffman=False)
        calls = [frame(HEADERS, END_HEADERS, 1, start + bomb + b"\xbe" * 15_000)]
        calls += [
            frame(HEADERS, END_HEADERS | END_STREAM, at, start + b"\xbe" * 15_000)
            for at in range(3, target.many(4000, 1000), 2)
        ]
        flood(target, front, opening(setting(1, 1 << 31)) + b"".join(calls))
        target.well()
        resizes = b"\x3f\xe1\x1f" + b"\x20"
        flood(target, front, opening() + frame(HEADERS, END_HEADERS, 1, resizes * 4000 + start))
        target.well()


@attack()
def frames_against_the_rules(target: Target) -> None:
    """Reserved bits, wrong lengths, streams that are not there, windows that overflow."""
    for front in target.fronts():
        start = block(front)
        call = frame(HEADERS, END_HEADERS, 1, start)
        over = struct.pack(">I", WIDE)
        for data in (
            *(frame(kind, 0xFF, 1 << 31, b"") for kind in range(12)),
            *(frame(kind, 0, 0, bytes(size)) for kind in range(10) for size in (0, 1, 3, 7, 9)),
            *(
                call + frame(kind, 0xFF, 1 | 1 << 31, bytes(size))
                for kind in range(12)
                for size in (0, 4, 8)
            ),
            *(
                frame(HEADERS, flags, stream, start)
                for flags in (0, 8, 32, 40)
                for stream in (0, 2, 1)
            ),
            *(
                frame(HEADERS, END_HEADERS, 1, noise)
                for noise in (b"", b"\xff" * 100, b"\x80", b"\x00")
            ),
            *(call + frame(WINDOW_UPDATE, 0, at, over) * 2 for at in (0, 1)),
            *(call + frame(WINDOW_UPDATE, 0, at, bytes(4)) for at in (0, 1)),
            *(
                frame(SETTINGS, 0, 0, setting(at, value))
                for at in range(10)
                for value in (0, WIDE, 1 << 31)
            ),
            call + call,
            call + frame(DATA, 0, 3, b"x"),
            call + frame(DATA, END_STREAM, 1, b"x") * 2,
            call + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + start),
            call + frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 0)),
            call + frame(CONTINUATION, END_HEADERS, 1, start),
            frame(HEADERS, 0, 1, start) + frame(PING, 0, 0, bytes(8)),
            struct.pack(">I", (1 << 24) - 1)[1:] + b"\0\0\0\0\0\1" + bytes(1000),
        ):
            with raw(target, front) as line:
                pump(line.socket, opening() + data, 1)
    target.well()


@attack()
def rapid_reset(target: Target) -> None:
    """100,000 calls that are reset as soon as they are opened, on one connection."""
    for front in target.fronts():
        start = block(front)
        pairs = b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, at, start)
            + frame(RST_STREAM, 0, at, struct.pack(">I", 8))
            for at in range(1, 2 * target.many(100_000, 20_000), 2)
        )
        stopped = stops(target, front, opening() + pairs)
        assert stopped or not target.strict, f"{front}: all resets are taken"
        target.well()


@attack()
def made_to_reset(target: Target) -> None:
    """100,000 calls that the server has to reset, for each breaks a rule of its own stream."""
    for front in target.fronts():
        start = block(front)
        for kind, payload in (
            (WINDOW_UPDATE, bytes(4)),
            (WINDOW_UPDATE, struct.pack(">I", WIDE)),
            (DATA, b"x"),
            (PRIORITY, struct.pack(">IB", 1, 0)),
        ):
            calls = b"".join(
                frame(HEADERS, END_HEADERS | END_STREAM, at, start) + frame(kind, 0, at, payload)
                for at in range(1, 2 * target.many(100_000, 10_000), 2)
            )
            flood(target, front, opening() + calls)
            target.well()


@attack(peak_mib=400)
def half_frames(target: Target) -> None:
    """Connections that send all of a frame of 250 KB but its last byte."""
    with ExitStack() as stack:
        for front in target.fronts():
            lines = [
                stack.enter_context(raw(target, front, one))
                for one in sources(target, target.many(500, 100))
            ]
            for line in lines:
                whole = frame(HEADERS, END_HEADERS, 1, block(front)) + frame(
                    DATA, 0, 1, bytes(250_000)
                )
                line.send((opening() + whole)[:-1])
            target.well()


@attack()
def openings_that_do_not_come(target: Target) -> None:
    """1,000 connections that send a part of HTTP/2's opening, or nothing behind it."""
    with ExitStack() as stack:
        for front in target.fronts():
            lines = [stack.enter_context(raw(target, front)) for _ in range(1000)]
            for at, line in enumerate(lines):
                line.send(opening()[: 1 + at % 33])
            target.well()
            if target.full and target.strict:
                # All but those that sent the preface and say nothing behind it: they are idle.
                enough = len(lines) * 23 // 33
                closed = ended((line.socket for line in lines), 15, enough)
                assert closed >= enough, f"{front}: only {closed} are closed"
