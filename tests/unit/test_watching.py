"""Versions that come into a folder that is watched."""

import queue
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.desk import Desk

from headrace.console.arrivals import loader, stand
from headrace.control import orders
from headrace.errors import RepositoryInvalid
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State
from headrace.repository import watching
from headrace.repository.watching import SETTLED_S, Watching, settled


@pytest.mark.parametrize(
    ("written", "done", "wait_s"),
    [
        ({}, set(), None),
        ({"a": 9.0}, set(), SETTLED_S - 1),
        ({"a": 10.0 - SETTLED_S}, {"a"}, None),
        ({"a": 1.0, "b": 9.5, "c": 9.0}, {"a"}, SETTLED_S - 1),
    ],
)
def test_a_model_counts_once_nobody_writes_to_it(
    written: dict[str, float], done: set[str], wait_s: float | None
) -> None:
    assert settled(written, 10.0) == (done, wait_s)


@pytest.fixture
def arrivals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Watches a folder; the models that had something new come out of a queue."""
    monkeypatch.setattr(watching, "SETTLED_S", 0.05)

    def watch(repository: Path) -> queue.SimpleQueue[str]:
        came: queue.SimpleQueue[str] = queue.SimpleQueue()
        Watching(repository, came.put)
        return came

    return watch


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "model.py").write_text("x = 1")


def test_what_comes_is_told_of_whichever_way_it_comes(
    tmp_path: Path, arrivals: Callable[..., Any]
) -> None:
    models, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    write(models / "a" / "1")
    (models / "a" / "model.yaml").write_text("")
    came = arrivals(models)
    # Written in place, or moved there as a whole, as one more version or as a model.
    write(models / "a" / "2")
    assert came.get(timeout=30) == "a"
    write(elsewhere / "3")
    (elsewhere / "3").rename(models / "a" / "3")
    assert came.get(timeout=30) == "a"
    write(models / "b" / "1")
    assert came.get(timeout=30) == "b"
    write(elsewhere / "c" / "1")
    (elsewhere / "c").rename(models / "c")
    assert came.get(timeout=30) == "c"
    # What kept a version out may be mended, in place or as editors do.
    (models / "a" / "model.yaml").write_text("batching: {max_rows: 2}")
    assert came.get(timeout=30) == "a"
    (elsewhere / "new").write_text("batching: {max_rows: 4}")
    (elsewhere / "new").rename(models / "b" / "model.yaml")
    assert came.get(timeout=30) == "b"
    # What was there has changed, a version went, and what is none came: nothing is new.
    (models / "a" / "notes.txt").write_text("x")
    (models / "a" / "1" / "model.py").write_text("x = 2")
    shutil.rmtree(models / "a" / "3")
    write(models / "a" / "notes")
    write(models / ".git" / "1")
    with pytest.raises(queue.Empty):
        came.get(timeout=0.5)


def test_one_models_folder_may_be_the_repository(
    tmp_path: Path, arrivals: Callable[..., Any]
) -> None:
    write(tmp_path / "a" / "1")
    came = arrivals(tmp_path / "a")
    write(tmp_path / "a" / "2")
    assert came.get(timeout=30) == "a"


def test_a_folder_that_is_written_to_for_long_counts_at_its_end(
    tmp_path: Path, arrivals: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SETTLED_S", 1.0)
    write(tmp_path / "a" / "1")
    came = arrivals(tmp_path)
    folder = tmp_path / "a" / "2" / "deep" / "er"
    folder.mkdir(parents=True)
    with (folder / "weights").open("wb", buffering=0) as file:
        for _ in range(14):
            file.write(b"x")
            with pytest.raises(queue.Empty):
                came.get(timeout=0.1)
    assert came.get(timeout=30) == "a"


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(RepositoryInvalid, match=r"cannot be watched \(No such file"):
        Watching(tmp_path / "nothing", print)


def test_what_is_new_is_loaded_as_its_model_says_and_what_was_unloaded_is_not(desk: Desk) -> None:
    desk.stand(m={1: State.READY})
    desk.models["m"] = [1, 2]
    desk.controller.arrived("m")
    assert (desk.carried, desk.shares) == (["m/1", "m/2"], {"m": {1: WHOLE}})
    desk.controller.obey(orders.unload("m", 2), who="me", why="")
    desk.controller.arrived("m")
    assert desk.carried == ["m/1"]
    desk.swaps.add(3)
    desk.models["m"] = [2, 3]
    desk.controller.arrived("m")
    desk.stand(m={3: State.READY})
    assert (desk.carried, desk.shares) == (["m/3"], {"m": {3: WHOLE}}), "1 served on, and went"
    desk.models["new"] = [7]
    desk.controller.arrived("new")
    assert desk.carried == ["m/3", "new/7"]
    entry = desk.controller.store.journal(1)[0]
    assert (entry.who, entry.what) == ("headrace", "load 7: new in its folder")


def test_what_cannot_be_loaded_is_said_in_the_log(desk: Desk) -> None:
    loader(desk.controller, desk.logbook)("nobody")
    (line,) = desk.logbook.recent("", 10)[0]
    assert line["text"] == "what is new of nobody was not loaded: no model 'nobody'"


def test_what_nobody_foresaw_keeps_nobody_from_loading_what_comes_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: str) -> None:
        raise OSError("no more files may be open")

    monkeypatch.setattr(desk.controller, "arrived", fails)
    load = loader(desk.controller, desk.logbook)
    load("m")
    (line,) = desk.logbook.recent("", 10)[0]
    assert "OSError: no more files may be open" in line["text"]
    monkeypatch.undo()
    desk.models["m"] = [1, 2]
    load("m")
    assert desk.carried == ["m/1", "m/2"]


def test_who_writes_to_the_model_yaml_of_a_source_moves_no_traffic_to_what_its_alias_means_now(
    desk: Desk,
) -> None:
    desk.sourced, desk.models, desk.swaps = {"s"}, {"m": [1], "s": [1]}, {2}
    load = loader(desk.controller, desk.logbook)
    load("s")
    assert desk.carried == ["m/1", "s/1"], "nothing of it was wanted: it is asked for"
    desk.models["s"] = [2]
    load("s")
    assert desk.carried == ["m/1", "s/1"]
    (line,) = desk.logbook.recent("", 10)[0]
    assert line["text"] == "s serves what was resolved: `headrace load s` asks its source"
    desk.controller.load("s", None, swap=None, who="me", why="")
    assert desk.carried == ["m/1", "s/1", "s/2"]


def test_what_cannot_be_written_down_is_said_in_the_log_and_ends_nothing(desk: Desk) -> None:
    deposed = desk.controller
    desk.begin()
    stand(deposed, desk.logbook, {"m/1": Standing(State.READY, "loaded")})
    (line,) = desk.logbook.recent("", 10)[0]
    assert "was not decided: nothing was changed: another controller decides now" in line["text"]
