from typing import Any

from headrace.execution.voices import Line
from headrace.local import Server


class Refused:
    """A runner whose move the gateway refuses."""

    version = type("Version", (), {"label": "m/1"})

    def start(self) -> bool:
        raise ValueError("lone leading surrogate in hex escape")


class Started(Refused):
    def start(self) -> bool:
        return True


def test_a_version_that_the_gateway_refuses_does_not_keep_the_next_from_loading() -> None:
    lines: list[Line] = []
    server: Any = object.__new__(Server)
    server._logbook = type("Book", (), {"take": staticmethod(lines.append)})
    assert [server._start(one) for one in (Refused(), Started())] == [False, True]
    (line,) = lines
    assert line.speaker == "m/1"
    assert "lone leading surrogate" in line.text
