"""What a watched rollout writes where there is no terminal."""

from collections.abc import Iterator
from typing import Any

import pytest

from headrace.cli import watching
from headrace.errors import Unreachable

#: Connections: how often each shows the rollout, and why it ends.
CONNECTIONS = [(2, "broke off"), (0, "nobody"), (0, "nobody"), (1, "nobody"), (1, "broke off")]


def test_why_nothing_is_known_is_told_once_and_anew_where_it_is_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connections = iter(CONNECTIONS)
    looked = iter([None, None, None, None, "promoted"])
    said = [{"unix_ms": 0, "what": "begin", "why": "2 against 1"}]

    def follow(url: str, *, looks: bool) -> Iterator[None]:
        assert (url, looks) == ("http://h:1", True)
        count, why = next(connections)
        yield from [None] * count
        raise Unreachable(why)

    def get(url: str, path: str) -> dict[str, Any]:
        assert (url, path) == ("http://h:1", "/api/rollouts/1")
        return {"number": 1, "end": next(looked), "said": said}

    monkeypatch.setattr(watching, "follow", follow)
    monkeypatch.setattr(watching, "get", get)
    monkeypatch.setattr(watching, "AGAIN_S", 0.0)
    monkeypatch.setattr(watching, "rollout_lines", lambda one: [f"all of it: {one['end']}"])
    assert watching.watch("http://h:1", 1)["end"] == "promoted"
    begin, *away, end = [line.partition(";")[0] for line in capsys.readouterr().out.splitlines()]
    assert (begin.split(" ", 1)[1], end) == ("begin: 2 against 1", "all of it: promoted")
    assert away == ["broke off", "nobody", "nobody"], "the third came when all was well again"
