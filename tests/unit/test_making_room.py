"""Memory of a device that is short: who makes room, and what leads to nobody."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.test_residency import BUSY, COMING, IDLE, LEAVING, kept
from tests.unit.test_serve_decisions import version
from tests.unit.test_serve_steps import Run

from headrace.config.schema import ModelConfig
from headrace.control.aim import spares
from headrace.control.demand import Demand
from headrace.control.engine import Assignment
from headrace.control.judging import Judged
from headrace.control.residency import QUIET_S, Choice, Lack, Memory, Resident, choose, relief
from headrace.control.traffic import Fact, Rule, Shadow, Traffic
from headrace.control.wanted import Pending, Wanted
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State
from headrace.models.shortage import Claim, Shortage, from_json
from headrace.repository.folder import Version

LONG = replace(IDLE, idle_s=QUIET_S)
FRESH = replace(IDLE, idle_s=9, ready_s=0.5)


@pytest.mark.parametrize(
    ("why", "lack", "residents", "spares", "takes_turns", "expected"),
    [
        ("one is enough", Lack(2, 0, {"a": 4, "b": 4}), {"a": IDLE, "b": LONG}, {}, False, {"b"}),
        ("both are needed", Lack(6, 0, {"a": 4, "b": 4}), {"a": IDLE, "b": LONG}, {}, False,
         {"a", "b"}),
        ("who would not be needed stays", Lack(4, 0, {"a": 4, "b": 1}), {"a": IDLE, "b": LONG},
         {}, False, {"a"}),
        ("nobody goes in vain", Lack(9, 0, {"a": 4, "b": 4}), {"a": IDLE, "b": LONG}, {}, True,
         None),
        ("who holds nothing of this device stays", Lack(2, 0, {"b": 2}), {"a": LONG, "b": IDLE},
         {}, False, {"b"}),
        ("those that are ending are enough", Lack(2, 2, {"a": 4}), {"a": IDLE}, {}, False, set()),
        ("of what they do not give", Lack(3, 2, {"a": 4}), {"a": IDLE}, {}, False, {"a"}),
        ("who comes back goes before a spare", Lack(2, 0, {"a": 2, "s": 2}), {"a": IDLE},
         {"s": LONG}, False, {"a"}),
        ("and with it where that is not enough", Lack(3, 0, {"a": 2, "s": 2}), {"a": IDLE},
         {"s": LONG}, False, {"a", "s"}),
        ("a spare that was asked for stays", Lack(2, 0, {"s": 2}), {}, {"s": IDLE}, True, None),
        ("and one with calls", Lack(2, 0, {"s": 2}), {}, {"s": replace(LONG, is_busy=True)}, True,
         None),
        ("the longest unused spare first", Lack(2, 0, {"s": 2, "t": 2}), {},
         {"s": LONG, "t": replace(LONG, idle_s=99)}, False, {"t"}),
        ("who is idle soon is waited for, and no spare goes", Lack(2, 0, {"a": 2, "s": 2}),
         {"a": FRESH}, {"s": LONG}, False, set()),
        ("who has calls does not go for an operator", Lack(2, 0, {"a": 2}), {"a": BUSY}, {}, False,
         None),
        ("but takes turns with who is asked for", Lack(2, 0, {"a": 2}), {"a": BUSY}, {}, True,
         {"a"}),
        ("once its turn is over", Lack(2, 0, {"a": 2}), {"a": replace(BUSY, ready_s=0.5)}, {},
         True, set()),
        ("a spare goes before a turn ends", Lack(2, 0, {"a": 2, "s": 2}), {"a": BUSY},
         {"s": LONG}, True, {"s"}),
        ("who is coming is waited for", Lack(2, 0, {"a": 2}), {"a": COMING}, {}, True, set()),
        ("but not by an operator", Lack(2, 0, {"a": 2}), {"a": COMING}, {}, False, None),
    ],
)  # fmt: skip
def test_who_makes_room(
    why: str,
    lack: Lack,
    residents: dict[str, Resident],
    spares: dict[str, Resident],
    takes_turns: bool,
    expected: set[str] | None,
) -> None:
    gone = relief(lack, residents, spares, [], takes_turns=takes_turns)
    assert (None if gone is None else set(gone)) == expected, why


@pytest.mark.parametrize(
    ("why", "residents", "called", "memory", "expected"),
    [
        (
            "who is asked for has memory as others have places",
            {"a": IDLE, "b": LONG},
            ["c"],
            Memory({"c": Lack(2, 0, {"a": 4, "b": 4})}),
            Choice(frozenset("a"), is_awaited=True, let_go={"b": "c"}),
        ),
        (
            "it is loaded once that is free",
            {"a": IDLE},
            ["c"],
            Memory({"c": Lack(-2, 0, {"a": 4})}, reserved={"b"}),
            kept("a", "c"),
        ),
        (
            "and nobody comes back to it before",
            {"a": IDLE, "b": LEAVING},
            ["c", "b"],
            Memory({"c": Lack(2, 4, {"a": 4})}, reserved={"b"}),
            kept("a", awaited=True),
        ),
        (
            "a guest needs no place",
            {"a": IDLE, "b": BUSY},
            [],
            Memory({"g": Lack(0, 0, {})}, ["g"]),
            kept("a", "b", "g"),
        ),
        (
            "it comes before those that are asked for",
            {"a": IDLE, "b": LONG},
            ["c"],
            Memory({"g": Lack(2, 0, {"a": 4, "b": 4}), "c": Lack(5, 0, {"a": 4, "b": 4})}, ["g"]),
            Choice(frozenset("a"), is_awaited=True, let_go={"b": "g"}),
        ),
        (
            "who waits for a turn to end is overtaken by nobody who lacks memory, too",
            {"a": replace(BUSY, ready_s=0.5), "b": LONG},
            ["c", "d"],
            Memory({"c": Lack(6, 0, {"a": 4, "b": 4}), "d": Lack(2, 0, {"a": 4, "b": 4})}),
            kept("a", "b", awaited=True),
        ),
        (
            "but by who has lacked none",
            {"a": replace(BUSY, ready_s=0.5)},
            ["c", "d"],
            Memory({"c": Lack(6, 0, {"a": 8})}),
            kept("a", "d", awaited=True),
        ),
        (
            "who does not fit keeps nobody else from coming",
            {"a": BUSY},
            ["c", "d"],
            Memory({"c": Lack(9, 0, {"a": 4})}),
            Choice(frozenset("ad"), refused=frozenset("c")),
        ),
        (
            "a spare is unloaded, and no place is free by that",
            {"a": BUSY},
            [],
            Memory({"g": Lack(2, 0, {"s": 4})}, ["g"], {"s": LONG}),
            Choice(frozenset("a"), is_awaited=True, let_go={"s": "g"}),
        ),
    ],
)
def test_memory_is_a_place(
    why: str,
    residents: dict[str, Resident],
    called: list[str],
    memory: Memory,
    expected: Choice,
) -> None:
    assert choose(2, residents, called, (), memory) == expected, why


ALL = Wanted("/m", {1: 0, 2: 0, 3: 0}, shares={3: WHOLE, 2: 0})


@pytest.mark.parametrize(
    ("why", "wanted", "expected"),
    [
        ("those without a share", ALL, {1, 2}),
        ("nothing is decided yet", replace(ALL, shares=None), set()),
        ("one takes the traffic soon", replace(ALL, pending=Pending({1: WHOLE})), {2}),
        ("one goes by itself", replace(ALL, pending=Pending({3: WHOLE}, frozenset({1}))), {2}),
        ("a rule leads to one", replace(ALL, traffic=Traffic(
            rules=(Rule(Fact("header", "x"), "y", 2),))), {1}),
        ("one is a shadow", replace(ALL, traffic=Traffic(shadows=(Shadow(1, 100),))), {2}),
        ("a rollout goes on", replace(ALL, traffic=Traffic(judged=(Judged(3),))), set()),
    ],
)  # fmt: skip
def test_what_nothing_leads_to_may_go(why: str, wanted: Wanted, expected: set[int]) -> None:
    assert spares(wanted) == expected, why


@pytest.mark.parametrize("key", ["evictable: true", "device_memory_mib: 5"])
def test_without_a_gpu_there_is_no_memory_to_speak_of(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key.partition(':')[0]} is about a GPU, and gpus is 0"):
        ModelConfig.model_validate({"placement": dict([key.split(": ")])}, strict=False)


def test_what_another_server_has_by_the_same_name_is_not_ours_to_end() -> None:
    claims = (Claim("a/1", 7, 4), Claim("a/1", 8, 2), Claim("b/1", 9, 1))
    told = from_json(Shortage("GPU-1", 3, claims).as_json())
    assert told is not None
    assert told.of({"a/1": {7}, "b/1": {8}}).by_label == {"a/1": 4}
    assert told.of({"a/1": {7, 8}, "b/1": {9}}).by_label == {"a/1": 6, "b/1": 1}
    assert from_json(None) is None


def short(missing: int, **held: int) -> Standing:
    claims = tuple(Claim(f"{model}/1", 7, count) for model, count in held.items())
    return Standing(State.FAILED, "no room", short=Shortage("GPU-1", missing, claims))


READY = Standing(State.READY, "")
OWN: dict[str, Any] = {"gpus": 1}
OLD, NEW = version("old", 1, evictable=True, **OWN), version("new", 1, **OWN)


def spare(one: Version) -> Assignment:
    return Assignment(one, is_spare=True)


def test_on_ray_a_process_that_was_refused_ends_and_begins_anew_once_there_is_room() -> None:
    demand = Demand(None, lambda: run.now)
    run = Run(OLD, NEW, demand=demand)
    run.calls = {"old/1": 0, "new/1": 5}
    run.standings = {"old/1": READY}
    run.take(spare(OLD), NEW)
    run.now = QUIET_S
    run.standings = {"old/1": READY, "new/1": short(4, old=6)}
    assert run.take(spare(OLD), NEW) == []
    assert run.take(spare(OLD), NEW) == ["end host-new-1"], "whoever waits for it waits on"
    assert demand.evictions == {"old/1": "made room for new/1, which needed 0 MiB more of GPU-1"}
    told = demand.told([spare(OLD), Assignment(NEW)], {"old/1": READY})
    assert told["new/1"].reason == "waits for 0 MiB more of GPU-1: old/1 makes room"
    run.applications.discard("host-new-1")
    run.standings = {"old/1": READY}
    run.take(NEW)
    assert "end host-old-1" in run.take(NEW)
    assert run.take(NEW) == [], "its process has not ended yet"
    run.applications.discard("host-old-1")
    run.take(NEW)
    assert run.take(NEW) == ["start host-new-1"]


def test_on_ray_one_that_is_refused_for_good_says_so_and_stays() -> None:
    run = Run(OLD, NEW)
    run.calls, run.now = {"old/1": 1, "new/1": 0}, QUIET_S
    failed = short(4 << 30, old=6 << 30)
    run.standings = {"old/1": READY, "new/1": failed}
    wanted = [spare(OLD), Assignment(NEW)]
    told = run.crew.demand.told(wanted, run.standings)
    assert told["new/1"].state is State.DECLARED, "nobody has looked at it"
    assert [run.take(*wanted) for _ in range(3)] == [[], [], []]
    told = run.crew.demand.told(wanted, run.standings)
    assert told["new/1"].state is State.FAILED
    assert "4.0 GiB more are needed" in told["new/1"].reason
    assert "old/1 was asked for" in told["new/1"].reason
    assert run.crew.demand.evictions == {}
    assert run.held() == ["new/1", "old/1"]


def test_while_no_gateway_says_who_has_calls_nobody_is_refused_nor_let_go() -> None:
    run = Run(OLD, NEW)
    run.calls = None
    run.standings = {"old/1": READY, "new/1": short(4, old=6)}
    wanted = [spare(OLD), Assignment(NEW)]
    for _ in range(3):
        run.take(*wanted)
    assert run.crew.demand.told(wanted, run.standings)["new/1"].state is State.DECLARED
    assert run.crew.demand.evictions == {}
    assert run.crew.demand.is_awaited, "it is looked at again"
