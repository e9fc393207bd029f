"""What is reported to a registry, and the folder in which it waits."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.reports import PLACE, VERDICT, report_of, whole

from headrace.errors import SourceAway, StateInvalid
from headrace.registry import child
from headrace.registry.answering import MLFLOW, answer
from headrace.registry.facts import Place
from headrace.registry.report import HERE, PNG, AliasMove, Kind, Part, Verdict, as_json, from_json
from headrace.registry.spool import Model, Pending, Spool
from headrace.spool import BOUNDS, Bounds, by_age, surplus

ROOT = Path(__file__).parents[2]
PHOTOS = Model(PLACE, "photos")


def test_a_report_is_written_and_read_alike() -> None:
    gone = whole(untagged=("traffic_percent",))
    for report in (whole(), gone, report_of("metrics"), report_of("state", rollout=None)):
        assert from_json(json.loads(json.dumps(as_json(report)))) == report


def test_what_an_earlier_release_has_written_is_read() -> None:
    kept = as_json(whole())
    del kept["untagged"]
    assert from_json(kept) == whole()


def test_a_report_of_an_earlier_release_is_told_whole() -> None:
    told = as_json(whole())
    del told["parts"]
    assert from_json(told).parts == (Part.TAGS, Part.ALIASES, Part.WATCH, Part.RUNS)


def test_tags_have_our_prefix_and_a_verdict_is_told_with_its_reason() -> None:
    assert whole().labels == {
        "headrace.state": "serving",
        "headrace.traffic_percent": "100",
        "headrace.verdict": "promote",
        "headrace.reason": VERDICT.sentence,
    }
    assert whole().points["verdict/evidence"] == 31.5


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"place": Place("x" * 2049, "x")}, "address of a registry has 2049 characters"),
        ({"place": Place("x", "")}, "address of a registry has 0 characters"),
        ({"model": "a/b"}, "'a/b' is no name of a registered model"),
        ({"version": 0}, "0 is no number of a version"),
        ({"rollout": "it's"}, '"it\'s" is no name of a rollout'),
        ({"rollout": None}, "belong to a rollout, and none is named"),
        ({"tags": {"mlflow.user": "me"}}, "'mlflow.user' is no name of a tag"),
        ({"untagged": ("mlflow.user",)}, "'mlflow.user' is no name of a tag"),
        ({"tags": {f"a{number}": "" for number in range(51)}}, "51 names of a tag: .* at most 50"),
        ({"tags": {"a": "x" * 4001}}, "headrace.a has 4001 characters: expected at most 4000"),
        ({"tags": {"a": "\x00"}}, "headrace.a is .*: expected text of UTF-8 without NUL"),
        ({"tags": {"a": "\ud800"}}, "headrace.a is .*: expected text of UTF-8 without NUL"),
        ({"metrics": {"a//b": 1.0}}, "'a//b' is no name of a metric"),
        ({"metrics": {"../a": 1.0, "..": 1.0}}, "is no name of a metric"),
        ({"metrics": {"a" * 201: 1.0}}, "is no name of a metric"),
        ({"metrics": {"a": float("nan")}}, "a is nan: expected a finite number, or none at all"),
        ({"metrics": {f"a{number}": 1.0 for number in range(201)}}, "201 names of a metric"),
        ({"verdict": Verdict("w", "s", {"a": float("inf")})}, "verdict/a is inf"),
        ({"verdict": Verdict("w", "s" * 4001)}, "headrace.reason has 4001 characters"),
        ({"picture": b"GIF89a"}, "a picture of 6 bytes: expected a PNG of at most 1048576"),
        ({"picture": PNG + bytes(1 << 20)}, "a picture of 1048584 bytes"),
        ({"aliases": (AliasMove("latest version", 1),)}, "is no name of an alias"),
        ({"aliases": (AliasMove("v2", 1),)}, "'v2' is no name of an alias"),
        ({"unix_ms": -1}, "unix_ms is -1: expected 0 to"),
        ({"step": 1 << 53, "unix_ms": 0}, "step is 9007199254740992: expected 0 to"),
    ],
)
def test_what_no_registry_takes_is_refused_at_once(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        whole(**changes)


def test_no_answer_of_the_process_that_is_asked_has_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(question: object, say: object) -> NoReturn:
        raise SourceAway("http://me:secret@host gives no answer to 'Bearer tok-1'")

    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-1")
    monkeypatch.setattr(child, "answer", away)
    told = answer({"of": MLFLOW}, nobody)
    assert told == {"error": "http://…@host gives no answer to 'Bearer …'", "is_away": True}


def pending(number: int, kind: str, size: int = 1) -> Pending:
    return Pending(number, Kind(kind), PHOTOS, 3, size)


@pytest.mark.parametrize(
    ("bounds", "sending", "gone"),
    [
        (Bounds(5, 90), [], []),
        (Bounds(4, 90), [], [2]),
        (Bounds(3, 90), [], [2, 4]),
        (Bounds(2, 90), [], [2, 4, 3]),
        (Bounds(1, 90), [], [2, 4, 3, 1]),
        (Bounds(9, 49), [], [2]),
        (Bounds(9, 20), [], [2, 4, 3]),
        (Bounds(4, 90), [2], [4]),
        (Bounds(3, 90), [2, 4], [3, 1]),
    ],
)
def test_metrics_go_first_and_verdicts_last(
    bounds: Bounds, sending: list[int], gone: list[int]
) -> None:
    kinds = ("verdict", "metrics", "state", "metrics", "verdict")
    kept = [pending(number, kind, 10) for number, kind in enumerate(kinds, 1)]
    found = surplus(kept[::-1], bounds, frozenset(sending))
    assert [one.number for one in found] == gone


def nobody(text: str) -> None:
    raise AssertionError(text)


def steps(spool: Spool) -> list[int]:
    return [report.step for _, report in spool.first({PHOTOS}, 2000, 1 << 30)]


def test_reports_are_kept_in_their_order_by_the_next_process_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports", BOUNDS, nobody)
    for step in range(12):
        assert spool.add(report_of(step=step)) == []
    spool.remove(spool.pending[0])
    again = Spool(tmp_path / "reports", BOUNDS, nobody)
    again.add(report_of("verdict", 12))
    assert steps(again) == list(range(1, 13))
    for folder in (tmp_path / "reports", *(tmp_path / "reports").iterdir()):
        # An address may have a password in it.
        assert not folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_reports_of_a_model_are_taken_by_number_and_by_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, BOUNDS, nobody)
    for step in range(4):
        spool.add(report_of(step=step))
        spool.add(report_of(step=100 + step, model="texts"))
    size = spool.pending[0].bytes
    for most, most_bytes, count in ((3, 1 << 20, 3), (9, 2 * size, 2), (9, 1, 1)):
        found = spool.first({PHOTOS}, most, most_bytes)
        assert [report.step for _, report in found] == list(range(count))


def test_bounds_are_kept_to_and_what_went_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(count=3), nobody)
    kinds = ("metrics", "verdict", "metrics", "verdict", "verdict", "metrics")
    gone = [spool.add(report_of(kind, step)) for step, kind in enumerate(kinds)]
    # The last has no room itself: there are verdicts alone.
    assert [[one.number - 1 for one in some] for some in gone] == [[], [], [], [0], [2], [5]]
    assert steps(spool) == [1, 3, 4]
    few = Spool(tmp_path, Bounds(count=2), nobody)
    assert [one.number - 1 for one in few.cut()] == [1]
    assert steps(few) == [3, 4]


def test_a_report_of_every_size_fits_its_file(tmp_path: Path) -> None:
    wide = "\U0001f600" * 4000
    report = whole(
        place=Place("x" * 2048, "y" * 2048),
        tags={f"a{number}": wide for number in range(48)},
        metrics={f"{number:0200d}": -1.7976931348623157e308 for number in range(200)},
        picture=PNG + bytes((1 << 20) - len(PNG)),
    )
    Spool(tmp_path, BOUNDS, nobody).add(report)
    (found,) = Spool(tmp_path, BOUNDS, nobody).first({Model(report.place, "photos")}, 1, 1)
    assert found[1] == report


def test_reports_for_people_lie_with_their_version(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(count=3), nobody, has_shelves=True)
    for step, version in enumerate((2, 10, 1, 2)):
        spool.add(report_of("verdict", step, place=HERE, version=version))
    files = [
        "photos/1/000000000003-verdict.json",
        "photos/10/000000000002-verdict.json",
        "photos/2/000000000004-verdict.json",
    ]
    found = sorted(tmp_path.rglob("*.json"))
    assert [str(path.relative_to(tmp_path)) for path in found] == files
    assert json.loads(found[2].read_text())["verdict"]["sentence"] == VERDICT.sentence
    assert spool.cut() == []
    spool.remove(spool.pending[0])
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["1", "2"]
    # Numbers go on, and what is elsewhere than it was written is not taken for a report.
    (tmp_path / files[0]).rename(tmp_path / "photos" / "2" / found[0].name)
    said: list[str] = []
    again = Spool(tmp_path, Bounds(count=3), said.append, has_shelves=True)
    again.add(report_of("verdict", 4, place=HERE, version=2))
    assert [one.number for one in again.pending] == [4, 5]
    assert (len(said), "is not where it was written" in said[0]) == (1, True)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"picture": 1}', "[" * 100_000, json.dumps({"kind": "x"})]
)
def test_what_is_no_report_is_said_and_removed(tmp_path: Path, text: str) -> None:
    Spool(tmp_path, BOUNDS, nobody).add(report_of())
    (tmp_path / "000000000002-state.json").write_text(text)
    (tmp_path / "notes.txt").write_text("of somebody")
    said: list[str] = []
    spool = Spool(tmp_path, BOUNDS, said.append)
    assert (len(said), "is no report to a registry as it was written" in said[0]) == (1, True)
    assert steps(spool) == [0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000000000001-metrics.json",
        "notes.txt",
    ]


def test_a_file_that_changes_under_a_server_holds_nobody_up(tmp_path: Path) -> None:
    said: list[str] = []
    spool = Spool(tmp_path, BOUNDS, said.append)
    for step in range(3):
        spool.add(report_of(step=step))
    spool.path(spool.pending[0]).write_text("{}")
    spool.path(spool.pending[1]).unlink()
    assert steps(spool) == [2]
    assert len(said) == 2


def test_a_folder_that_takes_nothing_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "reports", BOUNDS, nobody)
    (tmp_path / "reports").rmdir()
    with pytest.raises(StateInvalid, match="cannot keep reports to the registry"):
        spool.add(report_of())
    assert spool.pending == []
    (tmp_path / "file").touch()
    with pytest.raises(StateInvalid, match="cannot keep reports to the registry"):
        Spool(tmp_path / "file", BOUNDS, nobody)


def test_a_kill_between_any_two_steps_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.spool_killed", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(kills) > 15
    for kill in kills:
        accounted = {*kill["left"], *kill["delivered"], *kill["dropped"]}
        assert accounted >= set(kill["accepted"]), kill
        # One may be whole, of which it was not yet said that it is accepted.
        assert len(set(kill["left"]) - set(kill["accepted"])) <= 1, kill
        assert 1 not in kill["dropped"], kill
        assert len(kill["files"]) == len(kill["left"]) <= 3, kill
        assert kill["said"] == [], kill
    assert kills[-1]["accepted"] == list(range(5))
    assert (kills[-1]["dropped"], kills[-1]["delivered"]) == ([0, 2], [1, 3])


def test_of_what_only_lies_there_the_oldest_goes_whatever_it_is() -> None:
    kept = [pending(number, "verdict", 10) for number in (1, 2)] + [pending(3, "metrics", 10)]
    assert [one.number for one in surplus(kept, Bounds(2, 100), frozenset(), by_age)] == [1]
    assert [one.number for one in surplus(kept, Bounds(2, 100), frozenset())] == [3]
