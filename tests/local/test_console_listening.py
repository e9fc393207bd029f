"""The console on a socket: who may come, how long they may stay, and that it sleeps."""

import json
import threading
import urllib.request
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.local.consoles import PATIENCE_S, Begin, connect, following, get, read_answer
from tests.local.test_serving import until
from tests.ports import free_ports
from tests.unit.desk import NoBoard

from headrace.console import listening
from headrace.console.board import Status
from headrace.console.server import Console
from headrace.console.sources import Sources
from headrace.errors import PortTaken


def tasks() -> set[Path]:
    return set(Path("/proc/self/task").iterdir())


def wakes(others: set[Path]) -> int:
    """Return how often threads of this process have gone to sleep, but for some."""
    found = 0
    for task in tasks() - others:
        _, _, rest = (task / "status").read_text().partition("voluntary_ctxt_switches:")
        found += int(rest.split()[0])
    return found


def rest(others: set[Path]) -> bool:
    before = wakes(others)
    threading.Event().wait(2.5)
    return wakes(others) == before


def test_an_idle_console_never_wakes(begin: Begin) -> None:
    # Clients of other tests of this process may look around as they like.
    others = tasks()
    port = begin()
    assert tasks() - others, "it has threads of its own"
    with connect(port) as line, following(port):
        line.sendall(get("/api/health"))
        assert read_answer(line)[0] == 503
        # It settles first; what looked around now and then would never do.
        until(lambda: rest(others), "it rests")


def test_it_listens_on_ipv6_and_says_who_has_a_port(sources: Sources, begin: Begin) -> None:
    port = begin(host="::1")
    with urllib.request.urlopen(f"http://[::1]:{port}/api/status", timeout=PATIENCE_S) as answer:
        assert json.load(answer)["engine"] == "local"
    with pytest.raises(PortTaken, match=rf"cannot listen on ::1:{port}: .*held by .*--ports N"):
        Console("::1", port, sources)


@pytest.mark.parametrize(
    "said", [b"", b"GET /api", b"GET /api HTTP/1.1\r\nHost: localhost\r\n"], ids=len
)
def test_who_does_not_ask_is_closed(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(listening, "IDLE_S", 0.2)
    with connect(begin()) as line:
        line.sendall(said)
        assert line.recv(1) == b""


@pytest.mark.parametrize(
    "said",
    [
        b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000,
        b"GET\r\n\r\n",
    ],
    ids=["path", "headers", "no path"],
)
def test_what_is_no_request_is_told_so_and_closed(begin: Begin, said: bytes) -> None:
    with connect(begin()) as line:
        line.sendall(said)
        assert read_answer(line)[0] == 400


def test_a_body_is_not_read_and_ends_the_connection(begin: Begin) -> None:
    with connect(begin()) as line:
        line.sendall(
            b"POST /api/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
        )
        assert read_answer(line)[0] == 405
        assert line.recv(1) == b""


class Slow(NoBoard):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()

    def status(self) -> Status:
        self.asked.release()
        assert self.go.wait(PATIENCE_S)
        return super().status()


def test_so_many_are_answered_at_once_and_one_more_is_told_so(
    sources: Sources, begin: Begin
) -> None:
    board = Slow()
    port = begin(replace(sources, board=board))
    with ExitStack() as held:
        held.callback(board.go.set)
        lines = [held.enter_context(connect(port)) for _ in range(listening.MOST_CONNECTIONS)]
        for line in lines:
            line.sendall(get("/api/status"))
            assert board.asked.acquire(timeout=PATIENCE_S)
        with connect(port) as other:
            status, body = read_answer(other)
            assert (status, body["error"][:3]) == (503, "32 ")
        # Who leaves before he is answered still holds a thread.
        lines.pop().close()
        with connect(port) as other:
            other.sendall(get("/api/status"))
            assert read_answer(other)[0] == 503
        board.go.set()
        for line in lines:
            assert read_answer(line)[0] == 200


def test_what_is_being_answered_when_it_closes_is_answered_if_it_is_soon(
    sources: Sources,
) -> None:
    board, port = Slow(), free_ports()
    console = Console("127.0.0.1", port, replace(sources, board=board))
    console.start()
    with connect(port) as line, connect(port) as idle:
        line.sendall(get("/api/status"))
        assert board.asked.acquire(timeout=PATIENCE_S)
        closing = threading.Thread(target=console.close)
        closing.start()
        assert idle.recv(1) == b""
        board.go.set()
        assert read_answer(line)[0] == 200
        closing.join(PATIENCE_S)
        assert not closing.is_alive()


def test_a_console_that_nobody_asked_closes(sources: Sources) -> None:
    console = Console("127.0.0.1", free_ports(), sources)
    console.start()
    console.close()
