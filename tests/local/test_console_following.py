"""Who follows the console's events, and who only says that he does."""

import threading
import time
import urllib.error
from contextlib import ExitStack
from dataclasses import replace

import pytest
from tests.local.consoles import Begin, connect, following, get
from tests.ports import free_ports
from tests.unit.desk import Desk, NoBoard

from headrace.console.board import Status
from headrace.console.following import MOST_FOLLOWERS
from headrace.console.looking import EVERY_S
from headrace.console.server import Console
from headrace.console.sources import Sources
from headrace.control.events import Moved
from headrace.models.lifecycle import Standing, State


def test_what_happens_is_told_and_resumed_from_where_it_was_left(desk: Desk, begin: Begin) -> None:
    port = begin()
    with following(port) as events:
        kind, begun, facts = next(events)
        assert (kind, facts) == ("begin", {"missed": True})
        desk.stand(m={1: State.READY})
        found = [next(events) for _ in range(2)]
        assert [kind for kind, *_ in found] == ["journal", "version"]
        assert found[0][2]["what"].startswith("split 1=100")
        assert found[1][2] == {
            "model": "m",
            "version": 1,
            "state": "ready",
            "reason": "so it is with 1",
        }
    for last, missed in ((begun, False), (found[0][1], False), ("0-1", True), ("1-99", True)):
        with following(port, **{"Last-Event-ID": last}) as events:
            assert next(events)[2] == {"missed": missed}
            if not missed:
                assert next(events) == found[0 if last == begun else 1]


def test_who_does_not_read_events_is_dropped_and_keeps_nobody_waiting(
    desk: Desk, begin: Begin
) -> None:
    port = begin()
    with connect(port) as slow, following(port) as events:
        slow.sendall(get("/api/events"))
        assert slow.recv(9) == b"HTTP/1.1 "
        next(events)
        long = Standing(State.LOADING, "x" * 20_000)
        for version in range(2000):
            desk.controller.events.publish(Moved("m", version, long))
            assert next(events)[2]["version"] == version
        # What was in the kernel already, and then no end of the answer but of the connection.
        said = b""
        while more := slow.recv(1 << 20):
            said += more
        assert 0 < said.count(b"event: version") < 2000
        assert not said.endswith(b"0\r\n\r\n")


def test_so_many_may_follow_and_all_are_let_go_at_the_end(sources: Sources) -> None:
    port = free_ports()
    console = Console("127.0.0.1", port, sources)
    console.start()
    with ExitStack() as held:
        held.callback(console.close)
        lines = [held.enter_context(following(port)) for _ in range(MOST_FOLLOWERS)]
        for line in lines:
            next(line)
        with pytest.raises(urllib.error.HTTPError, match="503"), following(port):
            pass
        console.close()
        for line in lines:
            assert list(line) == []


def test_a_place_of_one_who_followed_is_free_again(begin: Begin) -> None:
    port = begin()
    for _ in range(MOST_FOLLOWERS + 1):
        with following(port) as events:
            assert next(events)[0] == "begin"


def test_how_it_goes_is_read_only_while_somebody_looks(sources: Sources, begin: Begin) -> None:
    board = Counting()
    port = begin(replace(sources, board=board))
    began = time.monotonic()
    with following(port, "?look=1") as events, following(port, "?look=1") as others:
        assert next(events)[0] == next(others)[0] == "begin"
        for _ in range(2):
            kind, event_id, facts = next(events)
            assert (kind, event_id, facts["status"]["engine"]) == ("look", "", "local")
            assert next(others)[0] == "look"
        assert board.read <= int((time.monotonic() - began) / EVERY_S) + 2, "once for both"
    with following(port):
        before = board.read
        threading.Event().wait(2.5 * EVERY_S)
        assert board.read <= before + 1, "one was under way, and none came after it"


class Counting(NoBoard):
    read = 0

    def status(self) -> Status:
        self.read += 1
        return super().status()
