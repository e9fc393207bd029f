"""What a controller makes of operators' words, of how versions stand, and of a new start."""

import json
import queue
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.control import orders
from headrace.control.operating import Operating
from headrace.errors import Deposed, RepositoryInvalid, Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State

READY, LOADING, FAILED = State.READY, State.LOADING, State.FAILED
ME: Any = {"who": "me@here", "why": ""}


def journal(desk: Desk) -> list[str]:
    return [f"{one.who}: {one.what}" for one in reversed(desk.controller.store.journal(100))]


def test_the_highest_version_takes_all_at_first_and_a_later_one_nothing_by_itself(
    desk: Desk,
) -> None:
    assert desk.carried == ["m/1"]
    assert desk.shares == {"m": None}
    desk.stand(m={1: LOADING})
    desk.stand(m={1: READY})
    assert desk.shares == {"m": {1: WHOLE}}
    desk.models["m"] = [1, 2]
    assert desk.controller.load("m", None, swap=False, **ME) == 2
    desk.stand(m={2: READY})
    assert desk.carried == ["m/1", "m/2"]
    assert desk.shares == {"m": {1: WHOLE}}
    assert journal(desk) == [
        "headrace: start: load 1",
        "headrace: split 1=100: the highest version that is ready",
        "me@here: load 2",
    ]


def test_a_swap_moves_traffic_once_the_new_one_is_ready_and_ends_the_old_one(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=True, **ME)
    desk.stand(m={2: LOADING})
    assert (desk.carried, desk.shares) == (["m/1", "m/2"], {"m": {1: WHOLE}})
    desk.stand(m={2: READY})
    assert (desk.carried, desk.shares) == (["m/2"], {"m": {2: WHOLE}})


def test_a_swap_whose_version_fails_leaves_all_as_it_was_and_may_be_tried_again(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=True, **ME)
    desk.stand(m={2: FAILED})
    assert desk.shares == {"m": {1: WHOLE}}
    assert journal(desk)[-1] == "headrace: stays as it was: version 2 failed: so it is with 2"
    desk.controller.load("m", 2, swap=True, **ME)
    assert desk.carried == ["m/1", "m/2 again 1"]
    # The engine has not seen it yet, and tells of the first try.
    desk.stand(m={2: FAILED})
    assert journal(desk)[-1] == "me@here: load 2 --swap"
    rows = {one.version.number: one.standing for one in desk.controller.versions("m")}
    assert rows[2] is not None
    assert rows[2].state is State.DECLARED
    desk.stand(m={2: State.DRAINING})
    desk.stand(m={2: READY})
    assert desk.shares == {"m": {2: WHOLE}}


def test_a_second_try_may_fail_too(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    for state in (FAILED, State.DRAINING, FAILED):
        desk.controller.load("m", 2, swap=True, **ME) if state is FAILED else None
        desk.stand(m={2: State.DRAINING})
        desk.stand(m={2: state})
    assert desk.shares == {"m": {1: WHOLE}}
    assert journal(desk)[-1] == "headrace: stays as it was: version 2 failed: so it is with 2"


def test_after_the_end_of_everything_the_same_command_brings_everything_back(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2, 3]
    desk.controller.load("m", 2, swap=False, **ME)
    desk.stand(m={2: READY})
    desk.controller.obey(orders.split("m", {1: 9_000, 2: 1_000}), **ME)
    desk.controller.load("m", 3, swap=False, **ME)
    desk.controller.obey(orders.unload("m", 3), **ME)
    desk.begin()
    assert desk.carried == ["m/1", "m/2"]
    assert desk.shares == {"m": {1: 9_000, 2: 1_000}}
    desk.models = {"m": [1, 2, 3, 4], "new": [7]}
    desk.begin()
    assert desk.carried == ["m/1", "m/2", "m/4", "new/7"]
    assert journal(desk)[-2:] == ["headrace: start: found 4", "headrace: start: load 7"]
    desk.models["m"] = [2, 4]
    desk.begin()
    assert desk.shares["m"] == {2: WHOLE}
    assert journal(desk)[-1] == "headrace: start: 1 is gone"


def test_what_a_registry_has_no_more_is_gone_at_a_start_and_the_rest_is_not(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.registry = {2, 3}
    desk.controller.load("m", 2, swap=False, **ME)
    desk.controller.load("m", 3, swap=False, **ME)
    assert desk.carried == ["m/1", "m/2", "m/3"]
    desk.registry = {3}
    desk.begin()
    assert desk.carried == ["m/1", "m/3"]
    assert journal(desk)[-1] == "headrace: start: 2 is gone"


def test_undo_goes_back_entry_by_entry_and_loads_what_is_gone(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=True, **ME)  # 3
    desk.stand(m={2: READY})  # 4
    with pytest.raises(Unwanted, match="m was changed since entry 3, by 4: undo these first"):
        desk.controller.undo(3, **ME)
    del desk.stood["m/1"]
    assert desk.controller.undo(4, **ME) == "m: split 2=100: ready now; unload 1"
    assert (desk.carried, desk.shares) == (["m/1", "m/2"], {"m": {2: WHOLE}})
    desk.stand(m={1: READY})
    assert desk.shares == {"m": {1: WHOLE}}
    with pytest.raises(Unwanted, match="the journal has no entry 99"):
        desk.controller.undo(99, **ME)
    with pytest.raises(Unwanted, match="entry 1 is the first of m"):
        desk.controller.undo(1, **ME)


def test_what_is_gone_from_the_repository_cannot_be_had_back(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=False, **ME)
    desk.controller.obey(orders.unload("m", 2), **ME)
    desk.models["m"] = [1]
    with pytest.raises(Unwanted, match="m/2 is not in the repository any more"):
        desk.controller.undo(4, **ME)
    assert desk.carried == ["m/1"]


def test_who_was_deposed_changes_nothing(desk: Desk) -> None:
    desk.stand(m={1: READY})
    old = desk.controller
    desk.begin()
    desk.stand(m={1: READY})
    with pytest.raises(Deposed):
        old.obey(orders.unload("m", 1), **ME)
    assert desk.carried == ["m/1"]


def test_what_is_not_there_is_refused_with_what_is(desk: Desk) -> None:
    with pytest.raises(RepositoryInvalid, match="no version 7 of m; in its folder are 1"):
        desk.controller.load("m", 7, swap=False, **ME)
    with pytest.raises(RepositoryInvalid, match="no model 'x'"):
        desk.controller.load("x", None, swap=False, **ME)
    with pytest.raises(Unwanted, match="no model 'x' is served here; there is m"):
        desk.controller.obey(orders.split("x", {1: WHOLE}), **ME)
    desk.stand(m={1: READY})
    with pytest.raises(Unwanted, match="m: nothing would change"):
        desk.controller.obey(orders.split("m", {1: WHOLE}), **ME)


@pytest.mark.parametrize(
    ("method", "target", "code", "part"),
    [
        ("POST", "/api/load?model=m&version=2&why=better", 200, '"version": 2'),
        ("POST", "/api/load?model=m", 200, '"version": 2'),
        ("POST", "/api/load?model=m&version=3", 404, "no version 3 of m; in its folder are 1, 2"),
        ("POST", "/api/load", 400, "say which model"),
        ("POST", "/api/load?model=m&version=one", 400, "version should be a number, not 'one'"),
        ("POST", "/api/load?model=m&version=" + "9" * 5000, 400, "version should be a number"),
        ("POST", "/api/load?model=m&version=1", 409, "version 1 is ready already"),
        ("POST", "/api/split?model=m&shares=1=100", 409, "nothing would change"),
        ("POST", "/api/split?model=m&shares=1=99.99,2=0.01", 409, "version 2 is not loaded"),
        ("POST", "/api/split?model=m&shares=1=50", 409, "should add up to 100 %"),
        ("POST", "/api/split?model=m&shares=1=33.333", 400, "at most two digits after the point"),
        ("POST", "/api/split?model=m&shares=1", 400, "expected a percentage for each version"),
        ("POST", "/api/split?model=m&shares=1=50,1=50", 400, "expected a percentage"),
        ("POST", "/api/split?model=m&shares=1=nan", 400, "expected a percentage"),
        ("POST", "/api/split?model=m&shares=1=1e400", 400, "expected a percentage"),
        ("POST", "/api/split?model=m", 400, "expected a percentage for each version"),
        ("POST", "/api/unload?model=m", 200, '"done": "unload"'),
        ("POST", "/api/unload?model=m&version=2", 409, "version 2 is not loaded"),
        ("POST", "/api/undo?number=2", 409, "nothing would change"),
        ("POST", "/api/undo?number=0", 409, "the journal has no entry 0"),
        (
            "POST",
            "/api/rule?model=m&fact=header:X-Beta&value=yes&version=1",
            200,
            "header:x-beta=yes",
        ),
        (
            "POST",
            "/api/rule?model=m&fact=cookie:x&value=yes&version=1",
            409,
            "expected header:NAME",
        ),
        ("POST", "/api/rule?model=m&fact=header:x&version=1", 400, "say which value"),
        ("POST", "/api/alias?model=m&name=best&version=1", 200, "alias best 1"),
        ("POST", "/api/alias?model=m&name=2&version=1", 409, "an alias is a lower-case letter"),
        ("POST", "/api/alias?model=m&name=best", 409, "there is no alias 'best'"),
        ("POST", "/api/alias?model=m&version=1", 400, "say which name"),
        ("POST", "/api/sticky?model=m&fact=parameter:user", 200, "sticky parameter:user"),
        ("POST", "/api/sticky?model=m", 409, "nothing would change"),
        ("POST", "/api/sticky?model=m&fact=header:a b", 409, "expected header:NAME"),
        ("POST", "/api/shadow?model=m&version=2", 409, "version 2 is not loaded"),
        ("POST", "/api/shadow?model=m&version=1", 409, "version 1 has all the traffic"),
        ("POST", "/api/shadow?model=m", 400, "say which version"),
        ("POST", "/api/shadow?model=m&version=1&percent=x", 400, "expected a percentage"),
        ("POST", "/api/shadow?model=m&version=1&off=1", 409, "version 1 is no shadow"),
        ("GET", "/api/shadow/worst?model=m&version=1", 404, "no pairs are kept of version 1"),
        ("GET", "/api/shadow/worst?model=m", 400, "say which version"),
        ("GET", "/api/shadows", 200, '"shadows": []'),
        ("GET", "/api/load?model=m", 405, "send POST /api/load"),
        ("POST", "/api/load?model=m&version=2&old_first=1", 400, "say swap=1, too"),
        ("POST", "/api/load?model=m&version=2&swap=1&old_first=1", 200, '"version": 2'),
        ("GET", "/api/versions", 200, '"state": "not loaded"'),
        ("GET", "/api/versions?model=m", 200, '"share_percent": 100.0'),
        ("GET", "/api/versions?model=x", 404, "no model 'x'"),
        ("GET", "/api/journal", 200, '"what": "start: load 1"'),
        ("GET", "/api/journal?limit=1&model=m", 200, "the highest version that is ready"),
        ("GET", "/api/journal?limit=x", 400, "limit should be a number"),
    ],
)
def test_the_console_changes_what_is_wanted(
    desk: Desk, method: str, target: str, code: int, part: str
) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    answer = ask(desk.sources, method, target, client="me@here")
    assert (answer.status, part in json.dumps(answer.body)) == (code, True), answer.body


@pytest.mark.parametrize("to", ["load?model=m", "unload?model=m", "split?model=m", "undo?number=1"])
def test_no_web_page_changes_anything(desk: Desk, to: str) -> None:
    answer = ask(desk.sources, "POST", f"/api/{to}")
    assert answer.status == 403
    assert len(desk.controller.store.journal(9)) == 1


def test_what_clients_wish_is_done_as_triton_does_it(desk: Desk) -> None:
    operating, told = Operating(desk.controller), queue.SimpleQueue[str]()
    desk.stand(m={1: READY})
    operating.take("load", "m", told.put)
    assert told.get(timeout=30) == "", "the highest serves already"
    desk.models["m"] = [1, 2]
    operating.take("load", "m", told.put)
    while "m/2" not in desk.carried:
        pass
    desk.stand(m={2: LOADING})
    with pytest.raises(queue.Empty):
        told.get(timeout=0.05)
    desk.stand(m={2: READY})
    assert told.get(timeout=30) == ""
    assert desk.shares == {"m": {2: WHOLE}}
    assert journal(desk)[-2:] == [
        "a client of the serving ports: load 2 --swap",
        "headrace: split 2=100: ready now; unload 1",
    ]
    operating.take("load", "nobody", told.put)
    assert told.get(timeout=30) == "no model 'nobody'"
    desk.models["m"] = [3]
    operating.take("load", "m", told.put)
    while "m/3" not in desk.carried:
        pass
    desk.stand(m={3: FAILED})
    assert told.get(timeout=30) == "version 3: so it is with 3"
    for _ in range(2):
        operating.take("unload", "m", told.put)
        assert told.get(timeout=30) == "", "to unload what is not loaded is no error"
    assert desk.carried == []


def test_who_waits_for_what_is_unloaded_is_told(desk: Desk) -> None:
    operating, told = Operating(desk.controller), queue.SimpleQueue[str]()
    desk.models["new"] = [1]
    operating.take("load", "new", told.put)
    while "new/1" not in desk.carried:
        pass
    desk.controller.obey(orders.unload("new", None), **ME)
    desk.stand(m={1: READY})
    assert told.get(timeout=30) == "version 1: it was unloaded meanwhile"


def test_a_client_is_told_why_what_he_wishes_cannot_be(desk: Desk) -> None:
    operating, told = Operating(desk.controller), queue.SimpleQueue[str]()
    desk.stand(m={1: READY})
    desk.controller.obey(orders.rule("m", "header:x-team", "red", 1), **ME)
    desk.models["m"], desk.on_new[2] = [1, 2], {"replace": "old_first"}
    operating.take("load", "m", told.put)
    assert "version 1 is to end first, and the rule" in told.get(timeout=30)
    assert desk.carried == ["m/1"]
