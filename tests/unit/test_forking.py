"""What of a server a process that a model forked may not keep, and where it prints."""

import logging

import pytest

from headrace.execution import forking
from headrace.execution.forking import Name, is_listened_on
from headrace.execution.voices import Line, captured

LISTENING: tuple[Name, ...] = (("127.0.0.1", 8000), ("0.0.0.0", 8001), ("::", 8002), "/run/x/h-1")


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (("127.0.0.1", 8000), True),
        (("127.0.0.2", 8000), False),
        (("192.168.1.7", 8001), True),
        (("::ffff:192.168.1.7", 8002), True),
        (("127.0.0.1", 50_000), False),
        ("/run/x/h-1", True),
        ("/run/x/h-2", False),
        (b"\0abstract", False),
        # A pair of sockets, such as multiprocessing's pipes, has no name.
        ("", False),
    ],
)
def test_a_connection_has_the_name_of_who_accepted_it(name: Name, ours: bool) -> None:
    assert is_listened_on(name, LISTENING) is ours


def test_a_child_prints_past_what_only_its_parent_has(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[Line] = []
    with captured(lines.append, alone="m/1"):
        monkeypatch.setattr(forking, "child", True)
        print("printed")
        logging.getLogger("headrace.model.m.1").info("logged")
        monkeypatch.setattr(forking, "child", False)
    assert capfd.readouterr() == ("printed\n", "INFO logged\n")
    assert lines == []
