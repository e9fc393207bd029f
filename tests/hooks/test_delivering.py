"""Events on their way to receivers that are there, away, or want nothing any more."""

import threading
import time
from pathlib import Path

import pytest
from tests.hooks.receiver import PATIENCE_S, receiving
from tests.hooks.telling import never, subjects, tell, telling, until, waiting

from headrace.errors import StateInvalid
from headrace.hooks.answers import MOST_AGE_S
from headrace.hooks.courier import Standing
from headrace.hooks.event import Happened, Kind
from headrace.hooks.told import Origin
from headrace.spool import Bounds


def test_events_come_signed_in_order_once_to_each_hook(tmp_path: Path) -> None:
    with receiving() as one, receiving() as two:
        address = one.url.replace("http://", "http://me:pass%20word@")
        with telling(tmp_path, address, two.url) as told:
            tell(told, "a/1", "a/2", "a/3")
            one.wait(3)
            two.wait(3)
            standing = until(told, "taken", 3)
    assert subjects(one) == subjects(two) == ["a/1", "a/2", "a/3"]
    assert one.ids == two.ids
    assert len(set(one.ids)) == 3
    (_, event), *_ = one.events
    assert (event["specversion"], event["type"]) == ("1.0", "dev.headrace.version.failed")
    assert (event["source"], event["data"]) == ("//here", {"reason": "of a/1"})
    assert one.headers[0]["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert one.headers[0]["Authorization"] == "Basic bWU6cGFzcyB3b3Jk"
    assert one.paths == ["/told?token=secret-token"] * 3
    assert standing == Standing(1, f"http://127.0.0.1:{one.port}/…", taken=3)
    assert waiting(tmp_path) == []


def test_what_another_server_of_the_same_database_tells_once_more_has_the_same_id(
    tmp_path: Path,
) -> None:
    servers = ("a", b"1", "back"), ("b", b"1", "back"), ("b", b"1", "promoted")
    elsewhere = "a", b"2", "back"
    with receiving() as one:
        for count, (server, key, end) in enumerate((*servers, elsewhere), 1):
            origin = Origin(f"//{server}:8003", key)
            with telling(tmp_path / server, one.url, origin=origin) as told:
                told.tell(Happened(Kind.ENDED, "a/1", {}, once=end))
                one.wait(count)
    first, again, other, of_another_database = one.ids
    assert first == again
    assert len({first, other, of_another_database}) == 3
    assert first.isalnum()


def test_a_receiver_that_was_away_is_told_all_in_order_once_it_is_back(tmp_path: Path) -> None:
    with receiving() as away:
        pass
    said: list[str] = []
    with telling(tmp_path, away.url, said=said) as told:
        tell(told, "a/1", "a/2")
        deadline = time.monotonic() + PATIENCE_S
        while told.status()[0].tries < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)  # noqa: TID251 - waits for another thread
        assert told.status()[0].waiting == 2
        assert "refused" in told.status()[0].last_error
        with receiving(port=away.port) as back:
            back.wait(2)
            until(told, "waiting", 0)
        assert told.status()[0].last_error == ""
    assert subjects(back) == ["a/1", "a/2"]
    # Once, and not at each try; and nothing that lets one in.
    assert len(said) == 1
    assert "secret-token" not in said[0]


@pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 503])
def test_what_may_go_later_is_tried_again_under_its_id(tmp_path: Path, status: int) -> None:
    def answers(number: int) -> tuple[int, dict[str, str]]:
        return (status, {"Location": "/elsewhere"}) if number == 1 else (200, {})

    with receiving(answers) as receiver, telling(tmp_path, receiver.url) as told:
        tell(told, "a/1")
        receiver.wait(2)
        until(told, "taken", 1)
    assert receiver.ids[0] == receiver.ids[1]
    assert set(receiver.paths) == {"/told?token=secret-token"}


def test_a_receiver_that_says_when_is_asked_no_sooner(tmp_path: Path) -> None:
    def answers(number: int) -> tuple[int, dict[str, str]]:
        return (503, {"Retry-After": "1"}) if number == 1 else (204, {})

    with receiving(answers) as receiver, telling(tmp_path, receiver.url) as told:
        tell(told, "a/1")
        receiver.wait(2)
        first, second = receiver.times
        assert second - first >= 1


def test_what_a_receiver_does_not_take_holds_up_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        receiving(lambda number: (400 if number == 1 else 204, {})) as receiver,
        telling(tmp_path, receiver.url, said=said) as told,
    ):
        tell(told, "a/1", "a/2")
        until(told, "taken", 1)
        assert told.status()[0].refused == 1
    assert subjects(receiver) == ["a/1", "a/2"]
    assert said == [
        f"hook 1 (http://127.0.0.1:{receiver.port}/…): it answered 400: failed of a/1 is dropped"
    ]


def test_gone_ends_a_hook_until_the_next_start(tmp_path: Path) -> None:
    said: list[str] = []
    hold = threading.Event()

    def answers(number: int) -> tuple[int, dict[str, str]]:
        hold.wait(PATIENCE_S)
        return 410, {}

    with receiving(answers) as receiver:
        with telling(tmp_path, receiver.url, said=said) as told:
            tell(told, "a/1", "a/2")
            receiver.wait(1)
            hold.set()
            standing = until(told, "ended", True)
            assert (standing.waiting, standing.dropped) == (0, 2)
            for _ in range(10):
                tell(told, "a/3")
            assert (told.status()[0].waiting, told.status()[0].dropped) == (0, 12)
        assert "until the next start, and 2 events are dropped" in said[0]
        # Of those that come later the first, and then ever more rarely.
        assert [line.partition("): ")[2] for line in said[1:]] == [
            "it wanted nothing any more; dropped since: 1",
            "it wanted nothing any more; dropped since: 10",
        ]
        with telling(tmp_path, receiver.url) as again:
            tell(again, "a/4")
            receiver.wait(2)
    assert subjects(receiver) == ["a/1", "a/4"]


def test_what_failed_for_a_day_is_dropped_and_what_comes_after_it_is_told(tmp_path: Path) -> None:
    with receiving() as away:
        pass
    before = time.time() - MOST_AGE_S - 1
    with telling(tmp_path, away.url, clock=lambda: before, retry=never) as told:
        tell(told, "a/1")
        until(told, "tries", 1)
    said: list[str] = []
    with (
        receiving(lambda number: (500 if number == 1 else 204, {}), away.port) as receiver,
        telling(tmp_path, receiver.url, said=said) as told,
    ):
        tell(told, "a/2")
        assert until(told, "taken", 1).dropped == 1
    assert subjects(receiver) == ["a/1", "a/2"]
    assert "failed of a/1 was tried for a day, and is dropped" in said[-1]


def test_there_is_a_bound_and_what_went_is_said(tmp_path: Path) -> None:
    with receiving() as away:
        pass
    said: list[str] = []
    with telling(tmp_path, away.url, said=said, retry=never, bounds=Bounds(count=2)) as told:
        tell(told, "a/1", kind=Kind.ENDED)
        until(told, "tries", 1)
        tell(told, "a/2", kind=Kind.STEP)
        tell(told, "a/3", kind=Kind.ENDED)
        standing = told.status()[0]
    assert (standing.waiting, standing.dropped) == (2, 1)
    assert "no room for more events: 1 dropped (step)" in said[-1]
    assert sorted(path.name[13:] for path in waiting(tmp_path)) == ["ended.json"] * 2


def test_an_event_that_the_disk_does_not_take_is_counted_too(tmp_path: Path) -> None:
    with receiving() as there, telling(tmp_path, there.url) as told:
        tell(told, "a/1")
        until(told, "taken", 1)
        (folder,) = (
            path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())
        )
        folder.rmdir()
        with pytest.raises(StateInvalid, match="cannot keep events for a hook"):
            tell(told, "a/2")
        assert told.status()[0].dropped == 1
        folder.mkdir()
        tell(told, "a/3")
        until(told, "taken", 2)
    assert subjects(there) == ["a/1", "a/3"]


def test_what_was_not_foreseen_is_said_and_all_that_waits_is_told_the_same(tmp_path: Path) -> None:
    bugs, said = [RuntimeError("a bug")], list[str]()

    def clock() -> float:
        if bugs and threading.current_thread() is not threading.main_thread():
            raise bugs.pop()
        return time.time()

    with receiving() as there, telling(tmp_path, there.url, said=said, clock=clock) as told:
        tell(told, "a/1", "a/2")
        until(told, "taken", 2)
    assert subjects(there) == ["a/1", "a/2"]
    (trace,) = [one for one in said if "Traceback" in one]
    assert "a bug" in trace


def test_the_next_process_goes_on_and_forgets_hooks_that_are_no_more(tmp_path: Path) -> None:
    with receiving() as one, receiving() as two:
        pass
    with telling(tmp_path, one.url, two.url, retry=never) as told:
        tell(told, "a/1")
    said: list[str] = []
    with receiving(port=one.port) as back, telling(tmp_path, back.url, said=said) as told:
        back.wait(1)
        until(told, "taken", 1)
    assert subjects(back) == ["a/1"]
    assert said == ["dropped are events for a hook that is not given any more: 1"]
    assert waiting(tmp_path) == []
