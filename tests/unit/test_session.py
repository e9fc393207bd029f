"""What the deciding thread of a run makes of what it is told, message by message."""

from pathlib import Path
from typing import Any

import pytest

from headrace.control.engine import Beginning
from headrace.serve.crew import Crew
from headrace.serve.message import Message
from headrace.serve.places import Places
from headrace.serve.plan import Plan
from headrace.serve.session import Session

SERVING, STANDING_BY = 11, 12
LISTENING = ("listening", {"addresses": {}, "pid": SERVING})
SIGNAL = ("signal", {"number": 15})


def told(session: Session, *messages: tuple[str, dict[str, Any]]) -> tuple[int | None, list[str]]:
    """The exit code, if one of the messages ended the run, and what was said."""
    said: list[str] = []
    code = None
    for kind, facts in messages:
        assert code is None, "the run had ended"
        code = session._decide(Message(kind, facts), said.append, lambda: None)
    return code, said


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    plan = Plan(settings={}, drain_s=30.0)
    places = Places(state=tmp_path, ray=tmp_path, logs=tmp_path, sockets=tmp_path, lock=-1)
    session = Session(plan, Crew([], cpus=2), Beginning(), places, "127.0.0.1:8003")

    def stop(why: str, say: Any) -> None:
        session._stopping = True

    monkeypatch.setattr(session, "_stop", stop)
    return session


@pytest.mark.parametrize(
    ("clean", "said"),
    [(True, []), (False, ["headrace: not everything was finished within 30 s"])],
)
def test_a_drain_ends_the_run_with_0_and_says_when_it_was_not_clean(
    session: Session, clean: bool, said: list[str]
) -> None:
    assert told(session, LISTENING, SIGNAL, ("drained", {"clean": clean})) == (0, said)


def test_a_gateway_that_dies_while_it_drains_ends_the_run_at_once(session: Session) -> None:
    code, said = told(
        session, LISTENING, SIGNAL, ("gone", {"pid": STANDING_BY}), ("gone", {"pid": SERVING})
    )
    assert code == 1
    assert said == ["headrace: the gateway ended; what it had not answered is lost"]


def test_a_gateway_that_dies_before_is_replaced_by_the_one_that_stands_by(
    session: Session,
) -> None:
    taken = ("listening", {"addresses": {}, "pid": STANDING_BY})
    code, said = told(session, LISTENING, taken, ("gone", {"pid": SERVING}), SIGNAL)
    assert (code, said) == (None, [])
    assert told(session, ("gone", {"pid": STANDING_BY}))[0] == 1


def test_a_signal_while_nobody_listens_and_a_second_one_end_the_run_at_once(
    session: Session,
) -> None:
    assert told(session, SIGNAL) == (0, [])
    gone = ("gone", {"pid": SERVING})
    assert told(session, LISTENING, gone, SIGNAL) == (0, [])
    assert told(session, LISTENING, SIGNAL, SIGNAL) == (128 + 15, [])


LOST: tuple[str, dict[str, Any]] = ("lost", {})


def test_what_has_been_ready_begins_again_when_ray_is_lost(session: Session) -> None:
    session._greeted = True
    code, said = told(session, LISTENING, LOST)
    assert (code, session.begins_again()) == (1, True)
    assert said[0].endswith("everything begins again")


def test_a_signal_that_comes_while_all_ends_is_the_last_word(session: Session) -> None:
    session._greeted = True
    told(session, LISTENING, LOST)
    session._inbox.put(Message("gone", {"pid": SERVING}))
    assert session.begins_again()
    session._inbox.put(Message(*SIGNAL))
    assert not session.begins_again()


@pytest.mark.parametrize("ready", [False, True])
def test_what_was_never_ready_or_is_ending_does_not_begin_again(
    session: Session, ready: bool
) -> None:
    session._greeted = ready
    code, said = told(session, LISTENING, *([SIGNAL] if ready else []), LOST)
    assert (code, session.begins_again()) == (1, False)
    assert said == ["headrace: Ray ended by itself, its logs are in the state folder"]
