"""Reports on their way: in order, tried again, and given up only where there is no room."""

import json
import os
from pathlib import Path

import pytest
from tests.reports import report_of, whole
from tests.unit.registry_puppet import PATIENCE_S, Registry, flushed, never, reporting

from headrace.errors import SourceAway
from headrace.registry.facts import Place
from headrace.registry.report import HERE, from_json
from headrace.registry.reporting import KEPT, MOST_ASKED, PENDING, Reporter
from headrace.spool import Bounds


def test_a_report_is_told_once_and_forgotten(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    with reporting(tmp_path, registry, said) as reporter:
        reporter.report(whole())
        standing = flushed(reporter)
    assert registry.told == [whole()]
    assert (standing.pending, standing.last_error, said) == (0, "", [])
    assert standing.places == {"3 in r1": "run of 7"}
    assert list((tmp_path / PENDING).iterdir()) == []


def test_reports_of_a_model_go_in_their_order_though_a_first_try_fails(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    registry.most = 2
    registry.errors["photos"] = [SourceAway("away"), SourceAway("away"), RuntimeError("a bug")]
    registry.is_up.clear()
    with reporting(tmp_path, registry, said) as reporter:
        for step in range(5):
            # An alias is a model's: versions of it do not overtake each other.
            reporter.report(report_of(step=step, version=1 + step % 2))
        registry.is_up.set()
        registry.heard(5)
        standing = flushed(reporter)
    assert registry.steps == list(range(5))
    assert registry.tries == [0, 1, 2, 3, 0, 0]
    assert (standing.tries, standing.last_error) == (0, "")
    # Once for each error, however often it comes.
    assert said == [
        "reports of photos wait, and are told again: away",
        "reports of photos wait, and are told again: a bug",
    ]


def test_metrics_gather_until_something_else_comes(tmp_path: Path) -> None:
    registry = Registry()
    with reporting(tmp_path, registry) as reporter:
        reporter.report(report_of(step=1))
        registry.heard(1)
        reporter.report(report_of(step=2))
        reporter.report(report_of(step=3))
        reporter.report(report_of("state", 4))
        registry.heard(4)
        reporter.report(report_of(step=5))
        assert flushed(reporter).pending == 0
    assert registry.batches == [[1], [2, 3, 4], [5]]


def test_what_waited_for_a_registry_does_not_gather_again(tmp_path: Path) -> None:
    registry = Registry()
    registry.most = MOST_ASKED
    registry.errors["photos"] = [SourceAway("away")]
    with reporting(tmp_path, registry, retry=never) as reporter:
        for step in range(MOST_ASKED + 3):
            reporter.report(report_of(step=step))
    with reporting(tmp_path, registry) as reporter:
        registry.heard(MOST_ASKED + 3)
    assert registry.steps == list(range(MOST_ASKED + 3))
    assert [len(batch) for batch in registry.batches[-2:]] == [MOST_ASKED, 3]


def test_what_is_due_at_one_registry_goes_together(tmp_path: Path) -> None:
    registry = Registry()
    registry.is_up.clear()
    with reporting(tmp_path, registry) as reporter:
        reporter.report(report_of("state", 1))
        assert registry.asked.wait(PATIENCE_S)
        for step, model in enumerate(("photos", "texts", "photos"), 2):
            reporter.report(report_of("state", step, model=model))
        elsewhere = Place("http://other", "http://other")
        reporter.report(report_of("state", 5, place=elsewhere))
        registry.is_up.set()
        reporter.close(patience_s=PATIENCE_S)
    assert registry.batches == [[1], [2, 3, 4], [5]]


@pytest.mark.parametrize("fault", [SourceAway("it takes none of these"), RuntimeError("a bug")])
def test_a_model_that_fails_holds_none_of_its_registry_up(tmp_path: Path, fault: Exception) -> None:
    registry = Registry()
    registry.errors["photos"] = [fault]
    with reporting(tmp_path, registry, retry=never) as reporter:
        reporter.report(report_of("state", 1))
        reporter.report(report_of("state", 2, model="texts"))
        registry.heard(1)
        reporter.report(report_of("state", 3))
        reporter.report(report_of("state", 4, model="texts"))
        reporter.close(patience_s=PATIENCE_S)
        photos, texts = reporter.status()
    assert registry.steps == [2, 4]
    assert (photos.pending, photos.last_error, texts.pending) == (2, str(fault), 0)


def test_a_registry_that_is_away_is_not_asked_for_each_of_its_models(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        registry.errors[name] = [SourceAway("away")]
    registry.is_up.clear()
    with reporting(tmp_path, registry, said, retry=never) as reporter:
        for name in names:
            reporter.report(report_of("state", model=name))
        registry.is_up.set()
        reporter.close(patience_s=PATIENCE_S)
        standings = reporter.status()
    assert registry.tries == [0, 0]
    assert [one.last_error for one in standings] == ["away"] * 5
    assert said == ["reports of a wait, and are told again: away"]


def test_a_model_whose_registry_is_away_holds_no_other_up(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    registry.errors["photos"] = [SourceAway("http://me:secret@host is away")]
    with reporting(tmp_path, registry, said, retry=never) as reporter:
        reporter.report(report_of(place=Place("http://me:secret@host", "http://me:secret@host")))
        for step in range(3):
            reporter.report(report_of(step=step, model="texts"))
        reporter.close(patience_s=PATIENCE_S)
        photos, texts = reporter.status()
    assert [report.model for report in registry.told] == ["texts"] * 3
    assert (texts.pending, photos.pending, photos.tries) == (0, 1, 1)
    assert photos.last_error == "http://…@host is away"
    assert photos.registry == "http://…@host"
    assert "secret" not in "".join(said)


def test_what_was_not_told_is_told_by_the_next_process(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    registry.is_up.clear()
    with reporting(tmp_path, registry, said) as reporter:
        for step in range(3):
            reporter.report(report_of(step=step))
        assert registry.asked.wait(PATIENCE_S)
        # It is being told, and ends with us.
        reporter.close()
        assert reporter.status()[0].pending == 3
    assert (registry.told, said) == ([], [])
    with reporting(tmp_path, registry) as reporter:
        assert flushed(reporter).pending == 0
    assert registry.steps == [0, 1, 2]


def test_what_has_no_room_is_counted_and_a_verdict_stays(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    registry.errors["photos"] = [SourceAway("away")]
    with reporting(tmp_path, registry, said, bounds=Bounds(count=3), retry=never) as reporter:
        reporter.report(report_of("verdict", 0))
        reporter.close(patience_s=PATIENCE_S)
        for step in range(1, 14):
            reporter.report(report_of(step=step))
        assert reporter.status()[0].dropped == 11
    # Not for each: a registry may be away for days.
    assert [text.partition("away: ")[2] for text in said[1:]] == [
        "1 of photos dropped so far",
        "10 of photos dropped so far",
    ]
    with reporting(tmp_path, registry) as reporter:
        flushed(reporter)
    assert registry.steps == [0, 12, 13]


def test_what_is_being_told_is_not_dropped(tmp_path: Path) -> None:
    registry = Registry()
    registry.is_up.clear()
    with reporting(tmp_path, registry, bounds=Bounds(count=2)) as reporter:
        reporter.report(report_of(step=0))
        assert registry.asked.wait(PATIENCE_S)
        for step in range(1, 4):
            reporter.report(report_of(step=step))
        registry.is_up.set()
        assert flushed(reporter).dropped == 2
    assert registry.steps == [0, 3]


def test_what_a_registry_does_not_take_is_said_and_the_next_goes(tmp_path: Path) -> None:
    registry, said = Registry(), list[str]()
    registry.refuses = {1}
    with reporting(tmp_path, registry, said) as reporter:
        for step in range(3):
            reporter.report(report_of(step=step))
        standing = flushed(reporter)
    assert registry.steps == [0, 1, 2]
    assert (standing.refused, standing.last_refusal) == (1, "it will not")
    assert said == ["the registry does not take a report of photos/3: it will not"]


def test_what_no_registry_knows_stays_in_the_state_folder(tmp_path: Path) -> None:
    registry = Registry()
    for step in (1, 2):
        with reporting(tmp_path, registry) as reporter:
            reporter.report(report_of("verdict", step, place=HERE))
            reporter.report(report_of(step=step))
            reporter.close(patience_s=PATIENCE_S)
            here, there = reporter.status()
    assert registry.steps == [1, 2]
    folder = tmp_path / KEPT / "photos" / "3"
    assert (here.registry, here.pending, here.places) == ("", 0, {"3 in r1": str(folder)})
    assert there.places == {"3 in r1": "run of 2"}
    kept = sorted(folder.iterdir())
    assert [from_json(json.loads(path.read_bytes())).step for path in kept] == [1, 2]


def test_a_registry_that_says_nothing_is_not_asked_in_a_circle(tmp_path: Path) -> None:
    registry = Registry()
    registry.most = 0
    with reporting(tmp_path, registry, retry=never) as reporter:
        reporter.report(report_of())
        standing = flushed(reporter)
    assert (standing.pending, standing.tries) == (1, 1)
    assert "nothing was said of photos/3" in standing.last_error


def test_without_mlflow_nothing_is_lost_and_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.py").write_text("raise ModuleNotFoundError('none', name='mlflow')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    reporter = Reporter(tmp_path / "state", list[str]().append)
    reporter.report(report_of())
    standing = flushed(reporter)
    assert standing.pending == 1
    assert "pip install 'headrace[mlflow]'" in standing.last_error


def test_to_close_ends_the_process_that_is_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    os.mkfifo(asked)
    (tmp_path / "mlflow.py").write_text(
        f"import os, signal\nopen({str(asked)!r}, 'w').write(str(os.getpid()))\nsignal.pause()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    reporter = Reporter(tmp_path / "state", list[str]().append)
    reporter.report(report_of())
    pid = int(asked.read_text())
    reporter.close()
    assert not Path(f"/proc/{pid}").exists()
    assert reporter.status()[0].pending == 1
