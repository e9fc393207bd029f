"""From what gateways count of tensors to what operators are told."""

import json
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.cli.drifting import drift_lines
from headrace.control.references import MOST_KEPT, REFERENCE, Of
from headrace.hooks.event import Kind
from headrace.monitoring.drift import Watched

WATCHED = {"inputs": ["x"], "reference_rows": 400, "window_rows": 100}


class Gateway:
    """Counts as the core does: totals of one life."""

    def __init__(self, began: int) -> None:
        self.began, self.rows = began, 0
        self.counts: dict[int, int] = {}
        self.dice = np.random.default_rng(began)

    def serve(self, rows: int, shift: float) -> None:
        self.rows += rows
        for place in np.floor(self.dice.normal(4000 + shift, 10, rows)).astype(int).tolist():
            self.counts[place] = self.counts.get(place, 0) + 1

    def told(self) -> str:
        feature = {"name": "mean", "counts": sorted(self.counts.items())}
        tensor = {"name": "x", "role": "input", "features": [feature]}
        facts = {"model": "m", "version": 1, "since": 1, "rows": self.rows, "tensors": [tensor]}
        return json.dumps({"began": self.began, "versions": [facts]})


@pytest.fixture
def watching(desk: Desk) -> Desk:
    desk.watched = {1: WATCHED}
    desk.begin()
    return desk


def shown(desk: Desk, model: str) -> Any:
    return ask(desk.sources, "GET", f"/api/drift/{model}").body


def look(desk: Desk, *gateways: Gateway, rows: int, shift: float = 0.0) -> None:
    for one in gateways:
        one.serve(rows, shift)
    desk.profiles = [one.told() for one in gateways]
    desk.now += 10.0
    desk.drift.look()


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


def drifted(desk: Desk) -> Gateway:
    """Have the reference and an alarm, by what one gateway counted."""
    one = Gateway(1)
    look(desk, one, rows=400)
    for shift in (0, 30, 30):
        look(desk, one, rows=100, shift=shift)
    assert desk.drift.all()["m", 1].drifted
    return one


def test_hooks_are_told_when_an_alarm_is_raised_and_when_the_last_is_over(watching: Desk) -> None:
    desk = watching
    one = drifted(desk)
    for _ in range(3):
        look(desk, one, rows=100)
    raised, cleared = desk.hooks_hear.happened
    assert (raised.kind, raised.subject, raised.data["digest"]) == (Kind.DRIFTED, "m/1", "files")
    (feature,) = raised.data["features"]
    assert (feature["tensor"], feature["feature"], feature["new"]) == ("input x", "mean", True)
    assert feature["now"] > feature["reference"]
    assert (cleared.kind, cleared.data["features"]) == (Kind.CLEARED, [])


def test_a_start_goes_on_with_the_reference_and_an_alarm_is_told_once(watching: Desk) -> None:
    desk = watching
    drifted(desk)
    before = desk.drift.all()["m", 1]
    desk.begin()
    after = Gateway(2)
    look(desk, after, rows=0)
    assert desk.drift.all()["m", 1].reference == before.reference
    assert desk.drift.all()["m", 1].drifted == before.drifted
    for _ in range(2):
        look(desk, after, rows=100, shift=30)
    assert [one.kind for one in desk.hooks_hear.happened] == [Kind.DRIFTED]
    for _ in range(3):
        look(desk, after, rows=100)
    assert [one.kind for one in desk.hooks_hear.happened] == [Kind.DRIFTED, Kind.CLEARED]
    desk.begin()
    look(desk, Gateway(3), rows=0)
    assert not desk.drift.all()["m", 1].drifted


def test_a_reference_is_kept_when_it_is_whole_and_of_the_same_files_and_config(
    watching: Desk,
) -> None:
    desk, one = watching, Gateway(1)
    look(desk, one, rows=399)
    desk.begin()
    look(desk, Gateway(2), rows=10)
    assert desk.drift.all()["m", 1].rows == 10, "the first of them were too few"
    look(desk, Gateway(3), rows=400)
    desk.begin()
    desk.watched = {1: {**WATCHED, "window_rows": 90}}
    desk.begin()
    look(desk, Gateway(4), rows=10)
    assert desk.drift.all()["m", 1].rows == 10, "another config"
    desk.watched = {1: WATCHED}
    desk.begin()
    desk.digests["m/1"] = "other"
    look(desk, Gateway(5), rows=10)
    assert desk.drift.all()["m", 1].rows == 10, "other files"


def test_what_another_release_has_kept_is_said_and_taken_anew(watching: Desk) -> None:
    desk = watching
    look(desk, Gateway(1), rows=400)
    assert desk.store is not None
    with desk.store._deciding() as connection:
        connection.execute(update(REFERENCE).values(kept={"rows": 1}))
    desk.begin()
    look(desk, Gateway(2), rows=10)
    assert desk.drift.all()["m", 1].rows == 10
    assert any("the reference of m/1 cannot be read" in said for said in desk.said)


def test_of_a_model_the_highest_versions_keep_their_references(watching: Desk) -> None:
    assert watching.store is not None
    references = watching.store.references
    known = Watched(rows=1, reference={("input x", "mean"): {1: 2}})
    of = [Of("m", version, "files", {}) for version in range(1, MOST_KEPT + 3)]
    for one in of:
        references.write(one, known)
    found = [references.read(one) is not None for one in of]
    assert found == [False, False, *[True] * MOST_KEPT]


def test_a_reference_can_be_taken_anew_and_is_so_after_a_start(watching: Desk) -> None:
    desk = watching
    one = drifted(desk)
    (before,) = ask(desk.sources, "POST", "/api/drift/m?version=1", client="me").body["versions"]
    assert (before["reference_rows"], before["features"]) == (0, [])
    assert desk.said[-1] == "drift of m/1: the next rows are its reference, me says"
    look(desk, one, rows=10, shift=30)
    assert desk.drift.all()["m", 1].rows == 10
    desk.begin()
    two = Gateway(2)
    look(desk, two, rows=400, shift=30)
    for _ in range(3):
        look(desk, two, rows=100, shift=30)
    assert not desk.drift.all()["m", 1].drifted


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("m", 400, "say which version: ?version=NUMBER"),
        ("m?version=x", 400, "version should be a number"),
        ("m?version=2", 409, "m/2 is not watched"),
        ("other?version=1", 409, "other"),
    ],
)
def test_what_is_not_watched_has_no_reference(
    watching: Desk, query: str, status: int, told: str
) -> None:
    look(watching, Gateway(1), rows=1)
    answer = ask(watching.sources, "POST", f"/api/drift/{query}", client="me")
    assert (answer.status, told in answer.body["error"]) == (status, True)


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
