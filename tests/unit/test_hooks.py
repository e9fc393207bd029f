"""What hooks are told, how it is signed, and what follows from an answer."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.config import hooks
from headrace.control.announcing import of_lost, of_rollout, of_version
from headrace.control.events import Moved
from headrace.control.lost import Lost
from headrace.hooks.answers import MOST_AGE_S, Answer, Verdict, verdict, wait_s
from headrace.hooks.event import (
    MOST_BYTES,
    MOST_CHARACTERS,
    Event,
    Happened,
    Kind,
    as_json,
    from_json,
)
from headrace.hooks.signing import signed
from headrace.models.lifecycle import Standing, State
from headrace.rollout.course import Course, End

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_signature_is_that_of_the_specifications_own_libraries() -> None:
    # Their tests have this one.
    found = signed(
        hooks.key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("status", "age_s", "found"),
    [
        (200, 0, Verdict.TAKEN),
        (204, 9 * MOST_AGE_S, Verdict.TAKEN),
        (299, 0, Verdict.TAKEN),
        (301, 0, Verdict.AGAIN),
        (400, 0, Verdict.REFUSED),
        (404, 0, Verdict.REFUSED),
        (408, 0, Verdict.AGAIN),
        (410, 0, Verdict.GONE),
        (425, 0, Verdict.AGAIN),
        (429, 0, Verdict.AGAIN),
        (499, 0, Verdict.REFUSED),
        (500, MOST_AGE_S - 1, Verdict.AGAIN),
        (500, MOST_AGE_S, Verdict.TOO_OLD),
        (None, 0, Verdict.AGAIN),
        (None, MOST_AGE_S, Verdict.TOO_OLD),
    ],
)
def test_what_follows_from_an_answer(status: int | None, age_s: float, found: Verdict) -> None:
    assert verdict(Answer(status), age_s) is found


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("", 4.0),
        ("0", 4.0),
        ("120", 120.0),
        ("9" * 400, MOST_AGE_S),
        ("-5", 4.0),
        ("soon", 4.0),
        ("Thu, 01 Jan 1970 00:03:00 GMT", 80.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 4.0),
        ("Thu, 01 Jan 1970 00:03:00 -0000", 80.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_AGE_S),
    ],
)
def test_the_next_try_waits_as_long_as_a_receiver_asks(retry_after: str, seconds: float) -> None:
    assert wait_s(Answer(503, retry_after=retry_after), 4.0, now=100.0) == seconds


def event(**changes: Any) -> Event:
    return replace(Event("a1", "//here:8003", 1500, Kind.FAILED, "m/2", {"reason": "x"}), **changes)


def test_an_event_is_a_cloud_event_and_kept_as_it_is() -> None:
    assert json.loads(event().body()) == {
        "specversion": "1.0",
        "id": "a1",
        "source": "//here:8003",
        "type": "dev.headrace.version.failed",
        "subject": "m/2",
        "time": "1970-01-01T00:00:01.500Z",
        "datacontenttype": "application/json",
        "data": {"reason": "x"},
    }
    assert from_json(json.loads(json.dumps(as_json(event())))) == event()
    wide = "\U0001f600" * MOST_CHARACTERS
    largest = event(data={"reason": wide, "who": wide, "why": wide})
    assert len(json.dumps(as_json(largest))) < MOST_BYTES / 2


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "a.1"},
        {"id": 1},
        {"kind": "x"},
        {"data": []},
        {"data": {"a": float("nan")}},
        {"unix_ms": 1.5},
        {"unix_ms": 1 << 62},
    ],
)
def test_what_is_no_event_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        from_json({**as_json(event()), **changes})


def test_each_step_and_the_end_of_a_rollout_are_told(play: Play) -> None:
    play.start()
    while play.look(bad=0.25).end is None:
        pass
    told = play.desk.hooks_hear.told()
    assert [(one.kind, one.data["step"], one.data["verdict"]) for one in told] == [
        (Kind.STARTED, 1, None),
        (Kind.STEP, 2, None),
        (Kind.ENDED, 2, "promoted"),
    ]
    first, _, last = told
    assert first.subject == last.subject == "m/2"
    assert first.data["candidate"] == {"version": 2, "digest": "two", "percent": 5.0}
    assert first.data["baseline"] == {"version": 1, "digest": "", "percent": 95.0}
    assert last.data["candidate"]["percent"] == 100.0
    assert last.data["rollout"] == "1-1000"
    assert last.data["steps_percent"] == [5, 25]
    assert (last.data["who"], last.data["why"]) == ("me", "for a test")
    assert "no metric is worse" in last.data["reason"]
    assert last.data["evidence"]["errors/log_as_good"] > 2.99
    assert last.data["metrics"]["candidate/errors_units"] > 0
    assert last.data["reports"] == ["models:/m/2"]


def test_a_person_who_has_to_agree_is_told_once_for_each_step(play: Play) -> None:
    play.start(plan(approval="each_step"))
    for _ in range(3):
        play.look(bad=0.25)
    assert [one.kind for one in play.desk.hooks_hear.told()] == [Kind.STARTED, Kind.WAITING]
    # Also where it looks bad for a while.
    play.look(bad=10)
    play.desk.rollouts.approve(1, **ME)
    while play.look(bad=0.25).record.step == 0:
        pass
    told = play.desk.hooks_hear.told()
    assert [one.kind for one in told][:3] == [Kind.STARTED, Kind.WAITING, Kind.STEP]
    assert "waits for a person" in told[1].data["reason"]


@pytest.mark.parametrize(
    ("end", "verdict", "percent"),
    [
        (End.ROLLED_BACK, "rolled_back", 0.0),
        (End.INCONCLUSIVE, "inconclusive", 5.0),
        (End.STOPPED, "stopped", None),
    ],
)
def test_other_ends_are_told_as_they_are(
    play: Play, end: End, verdict: str, percent: float | None
) -> None:
    play.start()
    play.desk.rollouts.stop(1, end, **ME)
    *_, last = play.desk.hooks_hear.told()
    assert (last.kind, last.data["verdict"]) == (Kind.ENDED, verdict)
    assert last.data["candidate"]["percent"] == percent


def test_hooks_that_cannot_be_told_keep_no_rollout_from_going_on(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(play.desk.hooks_hear, "heard", fails)
    play.start()
    assert play.look(bad=0.25).end is None
    assert "hooks are not told of rollout 1: no room" in play.desk.said


def test_what_changes_nothing_is_not_told(play: Play) -> None:
    course: Course = play.start()
    assert of_rollout(course, course, {}, ()) is None
    # One whose end nobody had the time to tell of has not begun.
    ended = of_rollout(None, course.ended(End.PROMOTED, "it is good", 3.0), {}, ())
    assert ended is not None
    assert (ended.kind, ended.once) == (Kind.ENDED, "1 1000000 PROMOTED")
    assert of_rollout(course, course.saying("hold", "too little", 2.0), {}, ()) is None


@pytest.mark.parametrize(
    ("state", "failed", "is_told"),
    [
        (State.FAILED, False, True),
        (State.FAILED, True, False),
        (State.READY, False, False),
        (State.LOADING, True, False),
        (State.GONE, False, False),
    ],
)
def test_a_version_that_fails_is_told_once(state: State, failed: bool, is_told: bool) -> None:
    reason = "because" * MOST_CHARACTERS
    found = of_version(Moved("m", 2, Standing(state, reason)), failed, "d1")
    data = {"model": "m", "version": 2, "digest": "d1", "reason": reason[:MOST_CHARACTERS]}
    assert found == (Happened(Kind.FAILED, "m/2", data) if is_told else None)


def test_what_a_start_has_lost_is_told() -> None:
    data = {"model": "m", "version": 2, "share_percent": 5.0, "reason": "its folder is gone"}
    assert of_lost(Lost("m", 2, 5.0, "its folder is gone")) == Happened(Kind.LOST, "m/2", data)
