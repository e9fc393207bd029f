"""A version that was rolled back, on an operator's desk: nothing gives it traffic by itself."""

from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk
from tests.unit.rolling import ME, READY, Play, plan

from headrace.config.rollouts import RolloutPlan
from headrace.console.applying import difference
from headrace.console.arrivals import tell_lost
from headrace.control import orders
from headrace.control.operating import Operating
from headrace.control.releasing import release
from headrace.control.traffic import Shadow
from headrace.errors import Quarantined, Unwanted
from headrace.execution.policy import WHOLE, Division, Epoch, table
from headrace.models.lifecycle import Standing, State
from headrace.rollout.course import End


@pytest.fixture
def play(desk: Desk) -> Play:
    desk.models["m"] = [1, 2]
    desk.digests["m/2"] = "two"
    desk.begin()
    return Play(desk)


@pytest.fixture
def back(play: Play) -> Play:
    """Version 2 was rolled back."""
    play.start()
    play.desk.rollouts.stop(1, End.ROLLED_BACK, who="ann", why="it is slow")
    return play


def begin_anew(play: Play, *, digest: str = "two") -> None:
    """Begin on the same database; ``digest``: of the files of version 2 by now."""
    play.desk.digests = {"m/2": digest}
    play.desk.begin()
    # As an engine has loaded them.
    play.desk.controller.versions("m")
    play.desk.stand(m=dict.fromkeys(play.desk.models["m"], State.READY))


ORDERS: dict[str, Callable[[Any], object]] = {
    "split": lambda one: one.obey(orders.split("m", {1: 9000, 2: 1000}), **ME),
    "alias": lambda one: one.obey(orders.alias("m", "new", 2), **ME),
    "rule": lambda one: one.obey(orders.rule("m", "header:x", "y", 2), **ME),
    "load --swap": lambda one: one.load("m", 2, swap=True, **ME),
    "undo": lambda one: one.undo(one.store.journal(1)[0].number, **ME),
}


@pytest.mark.parametrize("order", ORDERS)
def test_who_asks_for_traffic_is_told_why_not_and_how(back: Play, order: str) -> None:
    said = r"m/2 is quarantined, rollout 1 rolled it back on 1970.*by ann: it is slow.*release m/2"
    before = back.desk.controller.wanted()
    with pytest.raises(Quarantined, match=said):
        ORDERS[order](back.desk.controller)
    assert back.desk.controller.wanted() == before
    # One that was rolled back is not stuck.
    undone = back.desk.controller.store.journal(1)[0].number
    back.release()
    if order == "undo":
        back.desk.controller.undo(undone, **ME)
        assert back.shares == {1: 9500, 2: 500}
    else:
        ORDERS[order](back.desk.controller)


def test_a_rollout_is_refused_and_so_is_its_dry_run(back: Play) -> None:
    with pytest.raises(Quarantined, match="quarantined, rollout 1"):
        back.start()
    with pytest.raises(Quarantined):
        back.desk.rollouts.may_start("m", 2, plan(), baseline=None)
    back.release()
    assert back.start().number == 2


def test_it_may_be_loaded_and_looked_at(back: Play) -> None:
    controller = back.desk.controller
    controller.obey(orders.unload("m", 2), **ME)
    assert controller.load("m", 2, swap=None, **ME) == 2
    controller.obey(orders.shadow("m", Shadow(2, 1000)), **ME)
    assert back.shares == {1: WHOLE}


def test_a_promotion_that_is_taken_back_is_quarantined_and_its_undo_says_how(play: Play) -> None:
    play.start()
    play.desk.rollouts.stop(1, End.PROMOTED, **ME)
    assert play.shares == {2: WHOLE}
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    (entry,) = play.desk.controller.store.journal(1)
    with pytest.raises(Quarantined, match="headrace rollout release m/2"):
        play.desk.controller.undo(entry.number, **ME)
    play.release()
    play.desk.controller.undo(entry.number, **ME)
    assert play.shares == {2: WHOLE}


@pytest.mark.parametrize("end", [End.PROMOTED, End.STOPPED])
def test_other_ends_quarantine_nobody(play: Play, end: End) -> None:
    play.start()
    play.desk.rollouts.stop(1, end, **ME)
    assert play.desk.controller.quarantine.numbers("m") == set()


def test_nor_does_a_version_that_is_compared_with_itself(play: Play) -> None:
    alike = RolloutPlan.model_validate(
        {"kind": "a/a", "judge": {"errors": {}}, "steps_percent": [50]}
    )
    play.desk.rollouts.start("m", 1, alike, baseline=None, **ME)
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert play.desk.controller.quarantine.numbers("m") == set()


def test_a_folder_that_comes_back_swaps_nothing(back: Play) -> None:
    back.desk.swaps = {2}
    back.desk.models["m"] = [1]
    begin_anew(back)
    back.desk.models["m"] = [1, 2]
    begin_anew(back)
    assert back.shares == {1: WHOLE}
    # Nor where the server runs on.
    back.desk.models["m"] = [1]
    begin_anew(back)
    back.desk.models["m"] = [1, 2]
    (coming,) = difference(back.desk.sources.operations, back.desk.controller, {})
    assert coming.note.startswith("a rollout rolled it back: it gets no traffic")
    back.desk.controller.arrived("m")
    back.desk.stand(m=READY)
    assert back.shares == {1: WHOLE}
    assert "m/2" in back.desk.carried


def test_other_files_under_its_number_are_another_version(back: Play) -> None:
    back.desk.swaps = {2}
    back.desk.models["m"] = [1]
    begin_anew(back)
    back.desk.models["m"] = [1, 2]
    begin_anew(back, digest="others")
    assert back.shares == {2: WHOLE}


def test_a_load_that_would_swap_by_itself_does_not(back: Play) -> None:
    back.desk.swaps = {2}
    controller = back.desk.controller
    controller.obey(orders.unload("m", 2), **ME)
    said = ask(back.desk.sources, "POST", "/api/load?model=m", client="me").body
    assert (said["version"], said["quarantined"][:11]) == (2, "quarantined")
    back.desk.stand(m=READY)
    assert back.shares == {1: WHOLE}
    assert controller.store.journal(1)[0].what == "load 2"


def test_a_client_of_the_protocol_is_told(back: Play) -> None:
    told: Queue[str] = Queue()
    Operating(back.desk.controller).take("load", "m", told.put)
    assert "m/2 is quarantined" in told.get(timeout=60)
    assert back.shares == {1: WHOLE}


def test_where_nobody_has_traffic_it_gets_none(back: Play) -> None:
    back.desk.models["m"] = [2]
    begin_anew(back)
    assert back.shares is None
    divided = back.desk.divisions["m"]
    assert divided.barred == {2}
    # Another one that comes has all of it.
    back.desk.models["m"] = [1, 2]
    begin_anew(back)
    assert back.shares == {1: WHOLE}


def test_who_is_released_takes_what_nobody_else_has(back: Play) -> None:
    back.desk.models["m"] = [2]
    begin_anew(back)
    back.release()
    assert back.shares == {2: WHOLE}


def test_a_table_gives_it_nothing_while_nothing_is_decided() -> None:
    ready = {"m": {2: Standing(State.READY, "")}}
    free, barred = (
        table(Epoch(), ready, divided={"m": Division(barred=frozenset(some))}) for some in ((), {2})
    )
    assert '"weights": [{"version": 2, "share": 10000}]' in free
    assert '"weights": []' in barred


def test_it_is_shown_and_said_at_the_start(back: Play) -> None:
    rows = ask(back.desk.sources, "GET", "/api/versions").body["versions"]
    assert [one["quarantined"][:41] for one in rows] == [
        "",
        "quarantined, rollout 1 rolled it back on ",
    ]
    begin_anew(back)
    tell_lost(back.desk.controller, back.desk.logbook)
    said = back.desk.logbook.recent("", 10)[0][-1]["text"]
    assert said.startswith("m/2 gets no traffic: it is quarantined, rollout 1 rolled it back on")


def test_a_release_is_journalled_told_and_of_nobody_else(back: Play) -> None:
    where = "/api/rollout/release?model=m&version="
    assert ask(back.desk.sources, "POST", f"{where}2").status == 403, "no web page may"
    answer = ask(back.desk.sources, "POST", f"{where}2&why=it+was+the+network", client="me")
    assert answer.body == {"model": "m", "done": "rollout release 2"}
    (entry,) = back.desk.controller.store.journal(1)
    assert (entry.who, entry.what) == ("me", "rollout release 2")
    assert entry.why == "it was the network"
    assert entry.before == entry.after
    assert back.desk.registry_hears.reports[-1].labels == {"headrace.state": "released"}
    for number in (1, 2, 3):
        found = ask(back.desk.sources, "POST", f"{where}{number}", client="me")
        assert (found.status, "is not quarantined" in found.body["error"]) == (409, True)


def test_a_release_outlives_the_server(back: Play) -> None:
    back.release()
    begin_anew(back)
    assert back.start().number == 2


def test_what_is_not_there_any_more_can_be_released(back: Play) -> None:
    back.desk.models["m"] = [1]
    begin_anew(back)
    release(back.desk.controller, back.desk.rollouts.telling, "m", 2, **ME)
    with pytest.raises(Unwanted, match="m/2 is not quarantined"):
        back.release()
