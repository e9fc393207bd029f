"""Receivers that are slow, never come to an end, or answer with something else."""

import itertools
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from tests.hooks.receiver import PATIENCE_S, receiving
from tests.hooks.telling import never, tell, telling, until, waiting

from headrace.hooks import sending
from headrace.hooks.told import ENDING_S


def test_a_slow_receiver_delays_neither_who_tells_nor_the_end(tmp_path: Path) -> None:
    hold = threading.Event()

    def answers(number: int) -> tuple[int, dict[str, str]]:
        hold.wait(PATIENCE_S)
        return 204, {}

    with receiving(answers) as slow, receiving() as quick:
        with telling(tmp_path, slow.url, quick.url) as told:
            tell(told, "a/1", "a/2")
            slow.wait(1)
            quick.wait(2)
            began = time.monotonic()
        # Its own patience and not the receiver's.
        assert time.monotonic() - began < ENDING_S + PATIENCE_S / 2
        assert len(waiting(tmp_path)) == 2
        hold.set()


def test_an_answer_that_never_ends_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "DEADLINE_S", 0.3)

    def answers(number: int) -> tuple[int, dict[str, str]]:
        threading.Event().wait(2.0 if number == 1 else 0.0)
        return 204, {}

    with receiving(answers) as receiver, telling(tmp_path, receiver.url) as told:
        tell(told, "a/1")
        receiver.wait(2)
        until(told, "taken", 1)


@pytest.mark.parametrize(
    ("begins", "drips", "taken"),
    [
        (b"", b"HTTP/1.1 204 ", 0),
        (b"HTTP/1.1 200 OK\r\nx-slow: ", b"x", 0),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", b"x", 1),
    ],
    ids=["status", "headers", "body"],
)
def test_an_answer_that_drips_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: bytes, drips: bytes, taken: int
) -> None:
    monkeypatch.setattr(sending, "DEADLINE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def drip() -> None:
            line, _ = slow.accept()
            with line, suppress(OSError):
                line.sendall(begins)
                for byte in itertools.cycle(drips):
                    line.sendall(bytes([byte]))
                    time.sleep(0.02)  # noqa: TID251 - it is slow

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"
        with telling(tmp_path, url, retry=never) as told:
            tell(told, "a/1")
            standing = until(told, *(("taken", 1) if taken else ("tries", 1)))
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert standing.taken == taken
    assert standing.last_error == ("" if taken else "it gave no whole answer within 0.3 s")


def test_of_what_is_no_answer_a_line_is_said_and_no_more_than_its_beginning(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mail:

        def greet() -> None:
            line, _ = mail.accept()
            with line:
                line.sendall(b"220 mail.example ESMTP\x1b[2J" + b"x" * 5000 + b"\r\n")
                while line.recv(4096):
                    pass

        greets = threading.Thread(target=greet)
        greets.start()
        url = f"http://127.0.0.1:{mail.getsockname()[1]}/"
        with telling(tmp_path, url, retry=never) as told:
            tell(told, "a/1")
            error = until(told, "tries", 1).last_error
        greets.join()
    assert error.startswith("it does not speak HTTP: '220 mail.example ESMTP\\x1b[2Jx")
    assert len(error) < 2 * sending.MOST_SAID
