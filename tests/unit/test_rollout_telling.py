"""What a registry hears of rollouts."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.desk import Desk
from tests.unit.rolling import ME, Play, plan

from headrace.config.options import ServeOptions
from headrace.config.schema import ModelConfig
from headrace.console.arrivals import where_registered
from headrace.control.reports import Registered, registered
from headrace.control.telling import METRICS_S
from headrace.errors import ConfigInvalid, RepositoryInvalid, StateInvalid
from headrace.registry.facts import Place
from headrace.registry.report import HERE, Kind, Part, Report
from headrace.rollout.course import End


def told(play: Play, kind: Kind) -> list[Report]:
    return [one for one in play.desk.registry_hears.reports if one.kind is kind]


def states(play: Play) -> list[tuple[int, str, str | None]]:
    return [
        (one.version, one.tags["state"], one.tags.get("traffic_percent"))
        for one in told(play, Kind.STATE)
    ]


def fails(report: Report) -> None:
    raise StateInvalid("the disk is full")


def test_each_step_and_the_end_are_told_of_both_versions(play: Play) -> None:
    play.start()
    assert states(play) == [(2, "candidate", "5"), (1, "baseline", "95")]
    while play.look(bad=0.25).end is None:
        pass
    assert states(play)[2:] == [
        (2, "candidate", "25"),
        (1, "baseline", "75"),
        (2, "serving", "100"),
        (1, "held", "0"),
    ]
    (verdict,) = told(play, Kind.VERDICT)
    assert verdict.verdict is not None
    assert (verdict.version, verdict.verdict.word) == (2, "promoted")
    assert "version 2 against 1, promoted: no metric is worse" in verdict.verdict.sentence
    assert verdict.verdict.numbers["errors/log_as_good"] > 2.99
    (move,) = verdict.aliases
    assert (move.alias, move.seen) == ("champion", 1)
    assert {one.rollout for one in play.desk.registry_hears.reports} == {"1-1000"}


@pytest.mark.parametrize(
    ("end", "after"),
    [
        (End.ROLLED_BACK, [(2, "rolled_back", "0"), (1, "serving", "100")]),
        (End.INCONCLUSIVE, [(2, "inconclusive", "5"), (1, "baseline", "95")]),
        (End.STOPPED, [(2, "stopped", None), (1, "baseline", None)]),
    ],
)
def test_other_ends_move_no_alias(play: Play, end: End, after: list[Any]) -> None:
    play.start()
    play.desk.rollouts.stop(1, end, **ME)
    assert states(play)[2:] == after
    (verdict,) = told(play, Kind.VERDICT)
    assert verdict.aliases == ()
    gone = {one.untagged for one in told(play, Kind.STATE)[2:]}
    assert gone == ({("traffic_percent",)} if end is End.STOPPED else {()})


def test_a_person_who_moves_the_alias_stops_the_rollout(play: Play) -> None:
    play.start()
    assert play.look().end is None
    assert {one.watched for one in play.desk.registry_hears.reports} == {"champion"}
    words = "somebody moved champion in the registry: version 1 to version 3"
    play.desk.registry_hears.moved = {"2-1000": words}
    assert play.look().end is None, "it was another one's"
    shares = play.shares
    play.desk.registry_hears.moved = {"1-1000": words}
    ended = play.look()
    assert (ended.end, ended.said[-1].why, play.shares) == (End.STOPPED, words, shares)
    assert states(play)[-2:] == [(2, "stopped", None), (1, "baseline", None)]


def test_metrics_are_a_series_with_a_point_each_minute(play: Play) -> None:
    play.start(plan(minimum={"units": 100_000, "minutes": 0}))
    for _ in range(int(2.5 * METRICS_S)):
        play.look(bad=1)
    points = told(play, Kind.METRICS)
    assert [round(one.step, -1) for one in points] == [0, 60, 120]
    last = points[-1].metrics
    assert last["candidate/errors_bad_share"] == pytest.approx(0.02)
    assert last["baseline/errors_bad_share"] == pytest.approx(0.01)
    assert last["candidate/answers"] == last["candidate/errors_units"]
    assert last["baseline/p99_ms"] == pytest.approx(10, rel=0.07)
    assert last["traffic_percent"] == 5


def test_a_registry_that_cannot_be_told_keeps_no_rollout_from_going_on(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play.desk.registry_hears, "report", fails)
    play.start()
    assert "rollout 1 of m is not reported: the disk is full" in play.desk.said
    for _ in range(3):
        play.look()
    assert play.desk.rollouts.one(1).percent == 25


CONFIGS: dict[str, tuple[dict[str, Any], Registered | None]] = {
    "of a folder": ({}, Registered(HERE, "m")),
    "of a store": ({"source": "s3://a/m"}, Registered(HERE, "m")),
    "of a registry": (
        {"source": "models:/a/1", "mlflow": {"registry": "http://r", "champion": "prod"}},
        Registered(Place("http://r", "http://r"), "a", "prod"),
    ),
    "by the environment": (
        {"source": "models:/a@champion"},
        Registered(Place("http://t", "http://t"), "a"),
    ),
    "of one that hears of no alias": (
        {"source": "models:/a/1", "mlflow": {"report": {"aliases": False}, "champion": "prod"}},
        Registered(Place("http://t", "http://t"), "a", "prod", (Part.TAGS, Part.WATCH, Part.RUNS)),
    ),
    "of one that hears nothing": (
        {"source": "models:/a/1", "mlflow": {"report": False}},
        None,
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_where_a_version_is_registered(name: str, tmp_path: Path) -> None:
    said, expected = CONFIGS[name]
    config = ModelConfig.model_validate(said)
    environ = {"MLFLOW_TRACKING_URI": "http://t"}
    assert registered("m", config, environ, tmp_path) == expected


def test_a_registry_whose_file_is_gone_is_to_be_told_once_it_is_back(tmp_path: Path) -> None:
    config = ModelConfig.model_validate({"source": "models:/a/1"})
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert registered("m", config, {}, tmp_path) == Registered(Place(uri, uri), "a")


def test_a_rollout_of_a_version_that_is_not_to_be_told_of_tells_nothing(play: Play) -> None:
    play.desk.registered = lambda model, version: None  # type: ignore[method-assign]
    play.desk.begin()
    play.ready()
    play.start()
    play.desk.rollouts.stop(1, End.PROMOTED, **ME)
    assert play.desk.registry_hears.reports == []


@pytest.mark.parametrize("gone", [1, 2])
def test_of_a_version_that_nobody_knows_any_more_nothing_is_told_and_of_the_other_one_all_is(
    play: Play, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    play.start()
    with monkeypatch.context() as full:
        full.setattr(play.desk.registry_hears, "report", fails)
        play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    del play.desk.registry_hears.reports[:]
    there = play.desk.registered

    def known(model: str, version: int) -> Registered | None:
        if version == gone:
            raise RepositoryInvalid("m is not there any more")
        return there(model, version)

    monkeypatch.setattr(play.desk, "registered", known)
    play.desk.begin()
    play.desk.rollouts.open()
    play.desk.rollouts.close()
    told = [(one.version, one.kind.value) for one in play.desk.registry_hears.reports]
    of_candidate = [(2, "state"), (2, "metrics"), (2, "verdict")]
    assert told == ([(1, "state")] if gone == 2 else of_candidate)
    said = f"m/{gone} in rollout 1 is not reported: m is not there any more"
    assert [one for one in play.desk.said if "not there any more" in one] == [said]
    assert play.desk.rollouts.one(1).is_told


def test_where_versions_are_registered_that_are_not_loaded_their_model_yaml_says(
    desk: Desk, tmp_path: Path
) -> None:
    """As after a restart, while the source is away, or once the model was unloaded."""
    options = ServeOptions(tmp_path, state=tmp_path)
    where = partial(where_registered, options, desk.controller)
    assert where("m", 1) == Registered(HERE, "m")
    (tmp_path / "n").mkdir()
    said = "source: models:/a@new\nmlflow: {registry: http://r, champion: prod}\n"
    (tmp_path / "n" / "model.yaml").write_text(said)
    assert where("n", 3) == Registered(Place("http://r", "http://r"), "a", "prod")
    (tmp_path / "n" / "model.yaml").write_text("sauce: 1\n")
    with pytest.raises(ConfigInvalid, match="sauce"):
        where("n", 3)
    with pytest.raises(RepositoryInvalid, match="o is not there any more"):
        where("o", 3)


@pytest.mark.parametrize(("why", "added"), [("", ""), ("new weights", ": new weights")])
def test_the_log_says_which_versions_and_who_ended_it(play: Play, why: str, added: str) -> None:
    play.start(why=why)
    assert play.desk.said[-1] == f"rollout 1 of m: begin: version 2 against 1{added}"
    play.desk.rollouts.stop(1, End.STOPPED, who="ann", why=why)
    assert play.desk.said[-1] == f"rollout 1 of m: stopped: by ann{added}"
