"""Reports on their way: in order, tried again, and given up only where there is no room."""

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.reports import report_of, whole

from headrace.errors import SourceAway
from headrace.registry.delivering import Outcome
from headrace.registry.facts import Place
from headrace.registry.report import HERE, AliasMove, Report, from_json
from headrace.registry.reporting import KEPT, PENDING, Begun, Patience, Reporter
from headrace.registry.spool import BOUNDS, Bounds
from headrace.registry.standing import Standing

#: For what takes milliseconds.
PATIENCE_S = 20.0


class Registry:
    """Stands for one: says what it was told, and fails where it is made to."""

    def __init__(self) -> None:
        self.told: list[Report] = []
        self._heard = threading.Condition()
        self.tries: list[int] = []
        #: Of a model → errors that come before it is heard.
        self.errors: dict[str, list[Exception]] = {}
        self.refuses: set[int] = set()
        self.most = 100
        self.is_up = threading.Event()
        self.is_up.set()
        self.asked = threading.Event()

    def __call__(self, reports: Sequence[Report], *, tries: int, begun: Begun) -> list[Outcome]:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self.is_up.set()

        begun(end)
        self.asked.set()
        assert self.is_up.wait(PATIENCE_S)
        if ended.is_set():
            raise SourceAway("it was ended")
        self.tries.append(tries)
        if errors := self.errors.get(reports[0].model):
            raise errors.pop(0)
        heard = reports[: self.most]
        with self._heard:
            self.told += heard
            self._heard.notify_all()
        return [
            Outcome("it will not" if one.step in self.refuses else "", f"run of {one.step}")
            for one in heard
        ]

    def heard(self, count: int) -> None:
        """Wait until so many reports were told."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.told) >= count, PATIENCE_S)

    @property
    def steps(self) -> list[int]:
        return [report.step for report in self.told]


def at_once(tries: int) -> float:
    return 0.0


def never(tries: int) -> float:
    return 1e6


@contextmanager
def reporting(
    state: Path, registry: Registry, said: list[str] | None = None, **settings: Any
) -> Iterator[Reporter]:
    patience = Patience(settings.pop("bounds", BOUNDS), settings.pop("retry", at_once))
    say = list[str]().append if said is None else said.append
    reporter = Reporter(state, say, deliver=registry, patience=patience, **settings)
    try:
        yield reporter
    finally:
        reporter.close()


def flushed(reporter: Reporter) -> Standing:
    """Wait for all that can be delivered, and return how the one model stands."""
    reporter.close(patience_s=PATIENCE_S)
    (standing,) = reporter.status()
    return standing


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
    assert [text.partition(";")[0] for text in said] == [
        "reports of photos wait for their registry (away)",
        "reports of photos wait for their registry (a bug)",
    ]


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
    with reporting(tmp_path, registry, said, bounds=Bounds(reports=3), retry=never) as reporter:
        reporter.report(report_of("verdict", 0))
        reporter.close(patience_s=PATIENCE_S)
        for step in range(1, 6):
            reporter.report(report_of(step=step))
        assert reporter.status()[0].dropped == 3
    dropped = "while a registry is away: 1 of photos (metrics) dropped"
    assert [text.partition("reports ")[2] for text in said[1:]] == [dropped] * 3
    with reporting(tmp_path, registry) as reporter:
        flushed(reporter)
    assert registry.steps == [0, 4, 5]


def test_what_is_being_told_is_not_dropped(tmp_path: Path) -> None:
    registry = Registry()
    registry.is_up.clear()
    with reporting(tmp_path, registry, bounds=Bounds(reports=2)) as reporter:
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


def test_aliases_are_called_as_the_server_was_told_when_they_go(tmp_path: Path) -> None:
    registry = Registry()
    registry.errors["photos"] = [SourceAway("away")]
    with reporting(tmp_path, registry, retry=never) as reporter:
        reporter.report(whole())
        reporter.close(patience_s=PATIENCE_S)
    # Whoever takes the aliases out and starts again has none moved.
    with reporting(tmp_path, registry, aliases={}) as reporter:
        flushed(reporter)
    assert registry.told == [whole(aliases=())]
    with reporting(tmp_path, registry, aliases={"champion": "live"}) as reporter:
        reporter.report(whole())
        flushed(reporter)
    assert registry.told[1:] == [replace(whole(), aliases=(AliasMove("live", 2),))]


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
