"""What a watched rollout writes where there is no terminal."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from headrace.cli import rollouts, watching
from headrace.errors import HeadraceError, Refused, Unreachable

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


def seen_at(seconds: float, error: HeadraceError) -> tuple[list[str], str]:
    """Return what a watch tells while every try takes so long, and why it gives up."""
    now = [0.0]

    def follow(url: str, *, looks: bool) -> Iterator[None]:
        now[0] += seconds
        raise error
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "follow", follow)
        looks = watching.looks("u", {"number": 1}, lambda pause_s: None, lambda: now[0])
        told: list[str] = []
        try:
            told.extend(away for _, away in looks)
        except HeadraceError as gone:
            return told, f"{gone} after {now[0]:.0f} s"
    raise AssertionError("it went on for ever")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_who_is_away_is_waited_for_by_the_clock(status: int) -> None:
    """A try at a machine that is off takes half a minute, and a proxy answers for its server."""
    told, gone = seen_at(30, Unreachable("nobody"))
    assert (len(told), gone) == (11, "nobody after 360 s")
    told, gone = seen_at(30, Refused(status, "bad gateway"))
    assert (len(told), gone) == (11, f"bad gateway (HTTP {status}) after 360 s")
    assert seen_at(30, Refused(404, "no such rollout")) == (
        [],
        "no such rollout (HTTP 404) after 30 s",
    )


@pytest.mark.parametrize(("end", "code"), [("promoted", 0), ("rolled back", 1)])
def test_a_program_that_watches_gets_the_end_alone(
    end: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = iter([None, None, end])
    monkeypatch.setattr(watching, "follow", lambda url, looks: iter([None] * 2))
    monkeypatch.setattr(watching, "get", lambda url, path: {"number": 1, "end": next(looked)})
    done = CliRunner().invoke(rollouts.app, ["show", "1", "--watch", "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (code, {"number": 1, "end": end})
