"""References of versions that are watched: what outlives a start, and what ends an alarm."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.drifting import WATCHED, Gateway, drifted, look

from headrace.control import orders
from headrace.control.references import MOST_KEPT, REFERENCE, Of
from headrace.errors import StateInvalid
from headrace.hooks.event import Kind
from headrace.monitoring.drift import Watched


@pytest.fixture
def watching(desk: Desk) -> Desk:
    desk.watched = {1: WATCHED}
    desk.begin()
    return desk


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
    assert desk.drift.all()["m", 1].rows == 410, "what it does not depend on"
    desk.watched = {1: {**WATCHED, "reference_rows": 500}}
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
    assert any("the reference of m/1 is another release's" in said for said in desk.said)


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


def test_a_reference_that_cannot_be_read_is_waited_for(
    watching: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = watching
    look(desk, Gateway(1), rows=400)
    desk.begin()
    assert desk.store is not None
    references = desk.store.references
    with monkeypatch.context() as patched:
        patched.setattr(references, "read", raising(StateInvalid("locked")))
        for _ in range(2):
            look(desk, Gateway(2), rows=400)
        assert desk.drift.all() == {}
    assert [one for one in desk.said if "cannot be read" in one] == [
        "drift: the reference of m/1 cannot be read: locked"
    ]
    look(desk, Gateway(3), rows=10)
    assert (desk.drift.all()["m", 1].rows, desk.drift.all()["m", 1].window_rows) == (400, 10)


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_what_came_before_is_no_part_of_a_new_reference(watching: Desk) -> None:
    desk, one = watching, Gateway(1)
    look(desk, one, rows=400)
    one.serve(5000, 0.0)
    desk.profiles = [one.told()]
    ask(desk.sources, "POST", "/api/drift/m?version=1", client="me")
    look(desk, one, rows=10, shift=30)
    assert desk.drift.all()["m", 1].rows == 10


@pytest.mark.parametrize("how", ["anew", "other files", "unloaded"])
def test_an_alarm_whose_version_is_another_one_is_over(watching: Desk, how: str) -> None:
    desk, told = watching, watching.hooks_hear.happened
    one = drifted(desk)
    match how:
        case "anew":
            ask(desk.sources, "POST", "/api/drift/m?version=1", client="me")
        case "other files":
            desk.digests["m/1"] = "other"
        case _:
            desk.controller.obey(orders.unload("m", None), who="me", why="")
    look(desk, one, rows=0)
    assert [(one.kind, one.data["digest"]) for one in told] == [
        (Kind.DRIFTED, "files"),
        (Kind.CLEARED, "files"),
    ]
    assert ("m", 1) in desk.drift.all() or how == "unloaded"


def test_a_version_that_waits_for_its_turn_keeps_what_is_known(watching: Desk) -> None:
    desk, one = watching, Gateway(1)
    look(desk, one, rows=300)
    desk.digests["m/1"] = ""
    look(desk, one, rows=0)
    desk.digests["m/1"] = "files"
    look(desk, one, rows=50)
    assert desk.drift.all()["m", 1].rows == 350
