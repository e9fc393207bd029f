"""When a rollout begins, by a person's word or by itself, and when it cannot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.config.schema import ModelConfig
from headrace.control import orders, steering
from headrace.control.plans import DEFAULT_PLAN
from headrace.control.releasing import release
from headrace.control.rows import Row
from headrace.control.traffic import Shadow, Traffic
from headrace.control.wanted import Pending, Wanted
from headrace.errors import Unwanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.rollout.course import End

#: Of a number of the model's own.
ASKED = {"low": 0, "high": 1, "max_loss": 0.1}
READY = Standing(State.READY, "ready")


@pytest.mark.parametrize(
    ("before", "said", "says"),
    [
        (None, {"baseline": 2}, "where version 2 has all the traffic, and it is 1=100"),
        (orders.split("m", {1: 5000, 2: 5000}), {}, "where one version has all"),
        (orders.split("m", {2: WHOLE}), {}, "version 2 has all the traffic already"),
        (orders.unload("m", 2), {}, "version 2 is not loaded; loaded are 1"),
        (orders.shadow("m", Shadow(2, 100)), {}, "version 2 is a shadow"),
        (
            None,
            {"asked": plan(judge={"values": {"y": ASKED}})},
            "y is what labels say",
        ),
    ],
)
def test_what_cannot_be_compared_does_not_begin(
    play: Play, before: Any, said: dict[str, Any], says: str
) -> None:
    if before is not None:
        play.desk.controller.obey(before, **ME)
    with pytest.raises(Unwanted, match=says):
        play.start(**said)
    assert play.desk.rollouts.all() == []


def test_one_begins_by_itself_where_a_new_version_says_so(play: Play) -> None:
    desk = play.desk
    desk.on_new = {3: {"on_new": "rollout"}, 4: {"on_new": "rollout"}}
    desk.models["m"] = [1, 2, 3]
    desk.controller.arrived("m")
    desk.stand(m={3: State.LOADING})
    desk.rollouts.look()
    assert desk.rollouts.all() == [], "it is not ready yet"
    desk.stand(m={3: State.READY})
    desk.rollouts.look()
    (begun,) = desk.rollouts.all()
    assert (begun.record.candidate, begun.who, begun.plan) == (3, "headrace", DEFAULT_PLAN)
    assert begun.why == "versions.on_new: rollout"
    # Another one that comes meanwhile waits; and who was sent back has no other one by itself.
    desk.models["m"] = [1, 2, 3, 4]
    desk.controller.arrived("m")
    desk.stand(m={4: State.READY})
    desk.rollouts.look()
    assert len(desk.rollouts.all()) == 1
    desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    desk.rollouts.look()
    assert [one.record.candidate for one in desk.rollouts.all()] == [3, 4]
    desk.rollouts.stop(2, End.ROLLED_BACK, **ME)
    desk.rollouts.look()
    assert len(desk.rollouts.all()) == 2
    desk.begin()
    desk.stand(m={1: State.READY, 2: State.READY, 3: State.READY, 4: State.READY})
    desk.rollouts.look()
    assert len(desk.rollouts.all()) == 2, "nor after a restart"
    release(desk.controller, desk.rollouts.telling, "m", 3, **ME)
    desk.rollouts.look()
    assert len(desk.rollouts.all()) == 2, "nor once it is released"
    desk.rollouts.start("m", 3, plan(), baseline=None, **ME)


def test_who_had_traffic_and_lost_it_has_no_rollout_by_itself(play: Play) -> None:
    play.desk.on_new = {2: {"on_new": "rollout"}}
    play.desk.begin()
    play.desk.stand(m={1: State.READY, 2: State.READY})
    play.desk.controller.obey(orders.split("m", {2: WHOLE}), who="ann", why="")
    play.desk.controller.obey(orders.split("m", {1: WHOLE}), who="ann", why="2 is broken")
    play.desk.rollouts.look()
    play.desk.rollouts.look()
    assert play.desk.rollouts.all() == []
    assert play.desk.said == [
        "no rollout of m/2 began by itself: it had traffic before, and somebody took it away; "
        "`headrace rollout start m/2` begins one"
    ]


def test_a_plan_that_is_not_there_begins_nothing_and_is_said_once(play: Play) -> None:
    play.desk.on_new = {3: {"on_new": "rollout", "plan": "bold"}}
    play.desk.models["m"] = [1, 2, 3]
    play.desk.controller.arrived("m")
    play.desk.stand(m={3: State.READY})
    play.desk.rollouts.look()
    play.desk.rollouts.look()
    (said,) = play.desk.said
    assert said == (
        "no rollout of m/3 began by itself: model.yaml of m has no plan 'bold'; there is none; "
        "`headrace rollout start m/3` begins one"
    )
    # It is tried again once it is loaded anew, and no sooner.
    play.desk.controller.obey(orders.unload("m", 3), **ME)
    play.desk.stood.pop("m/3")
    play.desk.stand()
    play.desk.rollouts.look()
    play.desk.controller.load("m", 3, swap=None, **ME)
    play.desk.stand(m={3: State.READY})
    for _ in range(2):
        play.desk.rollouts.look()
    assert play.desk.said == [said, said]


def test_shadows_of_before_leave_room_for_what_a_plan_mirrors() -> None:
    traffic = Traffic(shadows=tuple(Shadow(one, 1) for one in range(3, 11)))
    now = Wanted("/m", dict.fromkeys(range(1, 11), 0), shares={1: WHOLE}, traffic=traffic)
    mirrors = plan(judge={"agreement": {"min_percent": 98}})
    with pytest.raises(Unwanted, match="at most 7: `headrace shadow MODEL 10 off` ends one"):
        steering.may_begin(now, 2, None, mirrors)
    assert steering.may_begin(now, 2, None, plan()) == 1
    fewer = replace(now, traffic=Traffic(shadows=traffic.shadows[:-1]))
    assert steering.may_begin(fewer, 2, None, mirrors) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"shares": {1: 5000, 2: 5000}},
        {"shares": {3: WHOLE}},
        {"shares": None},
        {"pending": Pending({2: WHOLE})},
        {"traffic": Traffic(shadows=(Shadow(2, 1),))},
    ],
)
def test_none_begins_by_itself_where_traffic_is_divided(changes: dict[str, Any]) -> None:
    now = Wanted("/m", {1: 0, 2: 0, 3: 0}, shares={1: WHOLE})
    config = ModelConfig.model_validate({"versions": {"on_new": "rollout"}})
    rows = [
        Row(Version("m", one, Path(f"/m/{one}"), "python", config), True, standing, 0, None)
        for one, standing in ((1, READY), (2, READY))
    ]
    assert steering.newcomer(now, rows, set()) == rows[1].version
    assert steering.newcomer(now, rows, {2}) is None
    assert steering.newcomer(replace(now, **changes), rows, set()) is None
