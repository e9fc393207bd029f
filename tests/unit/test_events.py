"""What a replica tells while the run's process takes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.execution.voices import Line
from headrace.serve import voice


class Connection:
    """A socket with room for so many bytes."""

    def __init__(self) -> None:
        self.room = 0
        self.sent = b""

    def send(self, data: bytes, flags: int) -> int:
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.sent.splitlines()]


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    one = Connection()
    monkeypatch.setattr(voice, "_connect", lambda sink, label, kind: one)
    return one


def say(events: voice.Events, text: str) -> None:
    events.say(Line(1, "m/1", "out", text))


def test_a_line_waits_for_no_room_and_what_was_missed_is_told(connection: Connection) -> None:
    events = voice.Events(Path("sink"), "m/1")
    # The begin of one line, and nothing of two.
    connection.room = 10
    for text in ("torn", "lost", "lost"):
        say(events, text)
    connection.room = 1 << 20
    say(events, "heard")
    texts = [one["line"]["text"] for one in connection.messages()]
    assert texts == ["torn", "2 lines were not heard", "heard"]


def test_an_event_waits_until_all_of_it_is_sent(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def more(_: Any) -> None:
        # Whoever has a line to say meanwhile is not kept by this.
        say(events, "no room")
        connection.room = 7

    monkeypatch.setattr(voice, "_wait_for_room", more)
    events = voice.Events(Path("sink"), "m/1")
    events.tell("moved", state="ready")
    assert connection.messages() == [{"event": "moved", "state": "ready"}]


def test_without_a_listener_nothing_is_raised(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(data: bytes, flags: int) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(connection, "send", gone)
    events = voice.Events(Path("sink"), "m/1")
    events.tell("ready")
    say(events, "to nobody")
    assert connection.sent == b""
