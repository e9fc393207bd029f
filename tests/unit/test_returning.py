"""Models whose source cannot be had as a server starts: others serve, and they come later."""

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.rolling import Play

from headrace.cli.tables import status_lines
from headrace.console.arrivals import tell_lost
from headrace.control import orders
from headrace.control.returning import Returning
from headrace.errors import SourceAway, SourceInvalid
from headrace.models.lifecycle import State
from headrace.repository.declared import asked_of
from headrace.rollout.course import End

READY = State.READY
ME: Any = {"who": "me@here", "why": ""}
AWAY = "m/model.yaml: source models:/m@champion: the registry gives no answer"


@pytest.fixture
def away(desk: Desk) -> Desk:
    """A start whose model m had 1=90 2=10, and whose registry gives no answer now."""
    desk.models = {"m": [1, 2], "n": [1]}
    desk.begin()
    desk.stand(m={1: READY, 2: READY}, n={1: READY})
    desk.controller.obey(orders.split("m", {1: 9000, 2: 1000}), **ME)
    desk.controller.obey(orders.alias("m", "best", 1), **ME)
    desk.missing = {"m": AWAY}
    desk.begin()
    return desk


def returning(
    desk: Desk,
    say: Callable[[str], None],
    whom: Callable[[str], str] = str,
    sleep: Callable[[float], object] = lambda _: None,
) -> Returning:
    return Returning(desk.controller, say, whom, retry=float, sleep=sleep)


def test_it_keeps_no_other_from_being_served_and_is_said(away: Desk) -> None:
    assert away.carried == ["n/1"]
    said = f"m is not served, and is asked for again by itself: {AWAY}"
    assert [str(one) for one in away.controller.lost()] == [said]
    tell_lost(away.controller, away.logbook)
    assert said in away.logbook.recent("", 10)[0][-1]["text"]
    body: Any = ask(away.sources, "GET", "/api/status").body
    lost = {"model": "m", "version": None, "share_percent": 0, "reason": AWAY}
    assert body["lost"] == [lost]
    assert f"lost m: {AWAY}" in list(status_lines(body))


def test_who_looks_at_its_versions_does_not_wait_for_its_source(away: Desk) -> None:
    away.missing = {"m": "it was asked again"}
    body: Any = ask(away.sources, "GET", "/api/versions?model=m").body
    assert (body["versions"], body["unread"]) == ([], AWAY)


def test_it_comes_by_itself_with_what_was_wanted_of_it(away: Desk) -> None:
    waits, said = list[float](), list[str]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            away.missing = {}

    returning(away, said.append, sleep=sleep).run(["m"])
    assert waits == [1, 2, 3]
    assert said == [f"m is still not served: {AWAY}", "m is there now, and begins"]
    assert away.carried == ["m/1", "m/2", "n/1"]
    assert away.shares["m"] == {1: 9000, 2: 1000}
    assert away.controller.wanted()["m"].traffic.as_json()["aliases"] == {"best": 1}
    assert away.controller.lost() == []


def test_one_that_nobody_has_seen_yet_comes_as_any_new_model(desk: Desk) -> None:
    desk.models, desk.missing = {"m": [1], "n": [1, 2]}, {"n": AWAY}
    desk.begin()
    desk.missing = {}
    assert desk.controller.come("n") == (2, True)
    assert desk.controller.come("n") == (2, False), "it was there already"
    desk.stand(n={1: READY, 2: READY})
    assert desk.shares["n"] == {2: 10000}


def test_load_brings_it_too_and_says_why_not(away: Desk) -> None:
    with pytest.raises(SourceAway, match="gives no answer"):
        away.controller.load("m", None, swap=None, **ME)
    away.missing = {}
    assert away.controller.load("m", None, swap=None, **ME) == 2
    assert away.carried == ["m/1", "m/2", "n/1"]
    assert away.shares["m"] == {1: 9000, 2: 1000}


def test_a_named_version_is_loaded_beside_what_was_wanted(away: Desk) -> None:
    away.missing = {}
    assert away.controller.load("m", 1, swap=None, **ME) == 1
    assert away.carried == ["m/1", "m/2", "n/1"]
    away.missing = {"m": AWAY}
    away.begin()
    away.missing, away.registry = {}, {3}
    assert away.controller.load("m", 3, swap=None, **ME) == 3
    assert away.carried == ["m/1", "m/2", "m/3", "n/1"]


def test_a_named_version_does_not_need_the_alias(away: Desk) -> None:
    away.missing, away.aliasless = {}, {"m"}
    with pytest.raises(SourceInvalid, match="no such alias"):
        away.controller.load("m", None, swap=None, **ME)
    assert away.controller.load("m", 2, swap=None, **ME) == 2
    assert away.carried == ["m/1", "m/2", "n/1"]


def test_who_brought_it_and_why_is_in_the_journal(away: Desk) -> None:
    away.missing, away.registry = {}, {3}
    away.controller.load("m", 3, swap=None, who="me@here", why="it is urgent")
    entry = away.controller.store.journal(1)[0]
    assert (entry.who, entry.what, entry.why) == ("me@here", "start: found 3", "it is urgent")


def test_who_applies_what_has_come_back_is_in_the_journal(away: Desk) -> None:
    away.missing, away.models = {}, {"m": [1, 2, 3], "n": [1]}
    away.controller.arrived("m", who="me@here", why="it is back")
    entry = away.controller.store.journal(1)[0]
    assert (entry.who, entry.what, entry.why) == ("me@here", "start: found 3", "it is back")


def test_a_folder_that_was_away_comes_with_what_was_wanted_of_it(away: Desk) -> None:
    away.missing, away.models = {}, {"n": [1]}
    away.begin()
    away.models = {"m": [1, 2], "n": [1]}
    away.controller.arrived("m")
    assert away.carried == ["m/1", "m/2", "n/1"]
    assert away.shares["m"] == {1: 9000, 2: 1000}


def test_where_no_source_can_be_had_there_is_nothing_to_begin_with(desk: Desk) -> None:
    desk.missing = {"m": AWAY}
    with pytest.raises(SourceInvalid, match="gives no answer"):
        desk.begin()


def test_a_rollout_of_such_a_model_goes_on_once_it_is_there(play: Play) -> None:
    desk = play.desk
    play.start()
    assert play.look().end is None
    desk.missing = {"m": AWAY}
    desk.models = {"m": [1, 2], "n": [1]}
    desk.begin()
    desk.rollouts.look()
    assert desk.rollouts.one(1).end is None
    desk.missing = {}
    desk.controller.come("m")
    desk.stand(m={1: READY, 2: READY}, n={1: READY})
    assert play.shares == {1: 7500, 2: 2500}
    while (ended := play.look()).end is None:
        pass
    assert ended.end is End.PROMOTED


def test_what_nobody_foresaw_keeps_nobody_from_asking_again(
    away: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, come = list[str](), away.controller.come

    def fails(model: str) -> tuple[int, bool]:
        monkeypatch.setattr(away.controller, "come", come)
        away.missing = {}
        raise OSError("no more files may be open")

    monkeypatch.setattr(away.controller, "come", fails)
    returning(away, said.append).run(["m"])
    assert "OSError: no more files may be open" in said[0]
    assert said[-1] == "m is there now, and begins"


def test_a_registry_that_hangs_keeps_no_models_of_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.models = {"m": [1], "a": [1], "b": [1], "c": [1]}
    desk.missing = dict.fromkeys("abc", AWAY)
    desk.begin()
    desk.missing, goes_on, said, find = {}, Event(), SimpleQueue[str](), desk.controller.come

    def come(model: str) -> tuple[int, bool]:
        if model != "c":
            goes_on.wait(30)
        return find(model)

    monkeypatch.setattr(desk.controller, "come", come)
    whom = {"a": "http://hangs", "b": "http://hangs", "c": "http://here"}
    returning(desk, said.put, whom.__getitem__).begin()
    assert said.get(timeout=10) == "c is there now, and begins"
    goes_on.set()
    assert said.get(timeout=10) == "a is there now, and begins"
    assert said.get(timeout=10) == "b is there now, and begins"


def test_what_somebody_has_loaded_meanwhile_is_not_said_to_him(
    away: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, come = list[str](), away.controller.come

    def slow(model: str) -> tuple[int, bool]:
        monkeypatch.undo()
        away.controller.load(model, None, swap=None, **ME)
        return come(model)

    away.missing = {}
    monkeypatch.setattr(away.controller, "come", slow)
    returning(away, said.append).run(["m"])
    assert (said, away.carried) == ([], ["m/1", "m/2", "n/1"])


def test_whom_a_models_source_is_asked_of_is_in_its_model_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    state = tmp_path / "state"
    for number, (yaml, whom) in enumerate(
        [
            ("source: models:/a@b\nmlflow: {registry: 'http://h:5000'}", "http://h:5000"),
            ("source: models:/a@b", f"sqlite:///{state / 'mlflow.db'}"),
            ("source: s3://bucket/deep/a", "s3://bucket"),
            ("source: nonsense", ""),
            ("", ""),
        ]
    ):
        folder = tmp_path / f"m{number}"
        folder.mkdir()
        (folder / "model.yaml").write_text(yaml)
        assert asked_of(tmp_path, folder.name, state) == whom
    assert asked_of(tmp_path, "nobody", state) == ""
