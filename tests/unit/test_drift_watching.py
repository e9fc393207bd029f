"""From what gateways count of tensors to what operators are told."""

import json
import threading
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.drifting import WATCHED, Gateway, drifted, look

from headrace.cli.drifting import drift_lines
from headrace.control.drift import LOOK_S
from headrace.models.lifecycle import State


@pytest.fixture
def watching(desk: Desk) -> Desk:
    desk.watched = {1: WATCHED}
    desk.begin()
    return desk


def shown(desk: Desk, model: str) -> Any:
    return ask(desk.sources, "GET", f"/api/drift/{model}").body


def test_gateways_are_told_what_to_look_at_and_of_others_nothing(desk: Desk) -> None:
    assert "profiled" not in desk.divisions["m"].routes
    desk.watched = {1: WATCHED}
    desk.begin()
    expected = [{"version": 1, "inputs": ["x"], "outputs": [], "per_second": 20}]
    assert desk.divisions["m"].routes["profiled"] == expected


def test_what_two_gateways_count_adds_up_to_a_reference_windows_and_an_alarm(
    watching: Desk,
) -> None:
    desk, one, other = watching, Gateway(1), Gateway(2)
    look(desk, one, other, rows=200)
    assert desk.drift.all()["m", 1].rows == 400
    for _ in range(3):
        look(desk, one, other, rows=50)
    assert not desk.drift.all()["m", 1].drifted
    assert desk.said == []
    look(desk, one, other, rows=50, shift=30)
    assert desk.said == [], "one window may be chance"
    look(desk, one, other, rows=50, shift=30)
    assert desk.said == ["drift of m/1: input x mean: `headrace drift m` has the numbers"]
    (version,) = shown(desk, "m")["versions"]
    (feature,) = version["features"]
    assert (version["drifted"], feature["alarm"], feature["since_unix_s"]) == (True, True, desk.now)
    assert feature["now"] > feature["reference"]
    (head, row) = drift_lines("m", [version])
    assert head.split()[:3] == ["VERSION", "TENSOR", "FEATURE"]
    assert row.split()[:4] == ["1", "input", "x", "mean"]
    for _ in range(3):
        look(desk, one, other, rows=50)
    assert desk.said[1:] == ["drift of m/1 is over: its tensors are as they were"]


def test_a_gateway_that_is_replaced_and_one_that_is_silent_take_nothing_twice(
    watching: Desk,
) -> None:
    desk, one = watching, Gateway(1)
    look(desk, one, rows=150)
    desk.profiles = []
    desk.drift.look()
    look(desk, one, rows=0)
    assert desk.drift.all()["m", 1].rows == 150
    look(desk, Gateway(2), rows=50)
    assert desk.drift.all()["m", 1].rows == 200


def test_of_other_files_nothing_is_known(watching: Desk) -> None:
    desk, one = watching, Gateway(1)
    look(desk, one, rows=300)
    desk.digests["m/1"] = "other"
    look(desk, one, rows=50)
    assert desk.drift.all()["m", 1].rows == 50


def test_a_gateway_that_cannot_be_read_costs_no_other_its_rows(watching: Desk) -> None:
    desk, one = watching, Gateway(1)
    one.serve(100, 0.0)
    desk.profiles = [one.told(), "[]", "no"]
    desk.drift.look()
    assert desk.drift.all()["m", 1].rows == 100
    assert any("what a gateway has counted cannot be read" in said for said in desk.said)


def test_metrics_pages_are_given_the_scores(watching: Desk) -> None:
    desk, one = watching, Gateway(1)
    pages: list[list[dict[str, Any]]] = []

    def gateways(scores: str) -> list[str]:
        pages.append(json.loads(scores))
        return desk.profiles

    desk.drift._gateways = gateways
    look(desk, one, rows=400)
    look(desk, one, rows=100)
    look(desk, one, rows=1)
    (row,) = pages[-1]
    assert pages[0] == []
    score = {"model": "m", "version": 1, "tensor": "input x", "feature": "mean", "alarm": False}
    assert {key: row[key] for key in score} == score
    assert 0.0 <= row["score"] < 0.1


def test_a_version_that_comes_is_looked_at_at_once_and_what_happens_else_hurries_nobody(
    watching: Desk,
) -> None:
    desk, looked = watching, threading.Event()

    def gateways(_: str) -> list[str]:
        looked.set()
        return []

    desk.drift._gateways = gateways
    desk.digests["m/1"] = ""
    desk.drift.open()
    try:
        desk.stand(m={1: State.LOADING})
        assert not looked.wait(0.2), "its files are not read yet"
        desk.digests["m/1"] = "files"
        desk.stand(m={1: State.READY})
        assert looked.wait(LOOK_S / 2)
        assert [*desk.drift.all()] == [("m", 1)]
        looked.clear()
        desk.stand(m={1: State.DRAINING})
        assert not looked.wait(0.2)
    finally:
        desk.drift.close()


def test_a_version_that_is_not_watched_is_not_counted(
    watching: Desk,
) -> None:
    desk = watching
    look(desk, Gateway(1), rows=100)
    desk.watched = {}
    desk.begin()
    look(desk, Gateway(1), rows=100)
    assert desk.drift.all() == {}
    assert next(drift_lines("m", [])).startswith("no version of m is watched")
    assert shown(desk, "m") == {"versions": []}
    assert ask(desk.sources, "GET", "/api/drift/other").status == 404


def test_the_console_shows_the_parts_that_are_compared(watching: Desk) -> None:
    desk = watching
    drifted(desk)
    (version,) = ask(desk.sources, "GET", "/api/drift").body["versions"]
    (feature,) = version["features"]
    assert (version["model"], version["version"]) == ("m", 1)
    assert len(feature["parts"]) > 5
    assert [sum(one) for one in zip(*feature["parts"], strict=True)] == pytest.approx([1, 1])
    first, last = feature["parts"][0], feature["parts"][-1]
    assert first[0] > first[1]
    assert last[0] < last[1]
