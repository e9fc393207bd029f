"""What the Ray engine decides, without Ray: standings, tables, endpoints, lines."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.config.options import ServeOptions
from headrace.config.schema import ModelConfig
from headrace.control.reconcile import LEAVING
from headrace.execution.policy import Division, Epoch
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve import fleet, plan
from headrace.serve.crew import Crew
from headrace.serve.directory import Replica, endpoints
from headrace.serve.gateway import reached
from headrace.serve.head import decode, encode
from headrace.serve.private import HeadOptions
from headrace.serve.sink import Lines, Peer

KEY = bytes(32)
LOADING = Standing(State.LOADING, "loading /models/m/1")
READY = Standing(State.READY, "ready in 0.1 s")
BROKEN = Standing(State.FAILED, "RuntimeError: no weights")
RUNNING = fleet.Application("RUNNING", {"RUNNING": 1})
STARTING = fleet.Application("DEPLOYING", {"STARTING": 1})
UNHEALTHY = fleet.Application("UNHEALTHY", {"STARTING": 1})
GIVEN_UP = fleet.Application("DEPLOY_FAILED", {}, "Traceback:\n  ...\nOSError: no disk\n")
HALF = fleet.Application("RUNNING", {"RUNNING": 1, "STARTING": 1})
NOTHING = fleet.Told()
BEGUN_AGAIN = fleet.begun_again(fleet.Told(READY, bereft=True))


@pytest.mark.parametrize(
    ("application", "told", "state", "reason"),
    [
        (None, NOTHING, State.LOADING, "waiting for Ray Serve"),
        (STARTING, NOTHING, State.LOADING, "waiting for a process"),
        (STARTING, fleet.Told(LOADING), State.LOADING, "loading /models"),
        (RUNNING, fleet.Told(READY, ready=frozenset({7})), State.READY, "ready in 0.1 s"),
        # One of two hosts loads once more.
        (RUNNING, fleet.Told(LOADING, ready=frozenset({7})), State.READY, "ready"),
        # A host runs, and loads the versions that share it one after the other.
        (RUNNING, NOTHING, State.LOADING, "waiting for its turn to load"),
        (RUNNING, fleet.Told(LOADING), State.LOADING, "loading /models"),
        (RUNNING, fleet.Told(BROKEN), State.FAILED, "no weights"),
        (STARTING, fleet.Told(BROKEN), State.FAILED, "no weights"),
        (GIVEN_UP, fleet.Told(BROKEN), State.FAILED, "no weights"),
        (GIVEN_UP, NOTHING, State.FAILED, "OSError: no disk"),
        (fleet.Application("DEPLOY_FAILED"), NOTHING, State.FAILED, "could not start"),
        (UNHEALTHY, fleet.Told(READY, bereft=True), State.LOADING, "died and is being replaced"),
        # Its host died while Serve's controller came back: no start has failed.
        (GIVEN_UP, fleet.Told(READY, bereft=True), State.LOADING, "died and is being replaced"),
        # It crashed below Python.
        (GIVEN_UP, fleet.Told(LOADING, bereft=True), State.FAILED, "ended while it loaded"),
        # The one that was to replace it did not even begin to load.
        (GIVEN_UP, BEGUN_AGAIN, State.FAILED, "OSError: no disk"),
        # One of two hosts is enough to serve.
        (HALF, fleet.Told(READY, bereft=True, ready=frozenset({7})), State.READY, "ready"),
        # Serve has not noticed the death yet.
        (RUNNING, fleet.Told(READY, bereft=True), State.LOADING, "died and is being replaced"),
    ],
)
def test_a_standing_follows_from_what_serve_and_the_host_say(
    application: fleet.Application | None, told: fleet.Told, state: State, reason: str
) -> None:
    standing = fleet.judge(application, told)
    assert standing.state is state
    assert reason in standing.reason


@pytest.mark.parametrize(
    ("application", "told", "quiet"),
    [
        (None, NOTHING, False),
        (STARTING, NOTHING, False),
        (RUNNING, fleet.Told(READY), True),
        (HALF, fleet.Told(READY), False),
        # Serve has not noticed the death yet.
        (RUNNING, fleet.Told(READY, bereft=True), False),
        (GIVEN_UP, NOTHING, True),
        (GIVEN_UP, fleet.Told(BROKEN, bereft=True), True),
        (GIVEN_UP, fleet.Told(READY, bereft=True), False),
        (GIVEN_UP, BEGUN_AGAIN, True),
    ],
)
def test_serve_is_watched_while_something_is_under_way(
    application: fleet.Application | None, told: fleet.Told, quiet: bool
) -> None:
    assert fleet.settled(application, told) is quiet


def test_who_waits_for_a_gpu_is_told_so() -> None:
    assert "1.5 GPU" in fleet.judge(STARTING, NOTHING, gpus=1.5).reason
    assert "GPU" not in fleet.judge(STARTING, NOTHING).reason


@pytest.mark.parametrize("application", [None, STARTING])
def test_what_asks_for_more_gpus_than_there_are_fails(
    application: fleet.Application | None,
) -> None:
    standing = fleet.judge(application, NOTHING, gpus=1.0, there=0.0)
    assert standing.state is State.FAILED
    assert "asks for 1, and this machine has 0" in standing.reason
    assert fleet.judge(STARTING, NOTHING, gpus=1.0, there=1.0).state is State.LOADING


def test_a_death_is_mourned_until_a_host_is_ready() -> None:
    told = fleet.gone(fleet.moved(NOTHING, READY, 1), 1)
    assert told.bereft
    assert not told.ready
    assert fleet.gone(fleet.moved(fleet.moved(NOTHING, READY, 1), READY, 2), 1).ready == {2}
    assert fleet.moved(told, LOADING).bereft
    assert not fleet.moved(told, READY).bereft
    assert not fleet.gone(fleet.moved(NOTHING, BROKEN)).bereft, "it said why, and left"


def version(model: str, number: int, **placement: Any) -> Version:
    config = ModelConfig.model_validate({"placement": placement})
    return Version(model, number, Path(f"/m/{model}/{number}"), "python", config)


def test_gateways_hear_of_failures_alone() -> None:
    groups = plan.grouped([version("a", 1), version("a", 2), version("b", 1)])
    standings = {"a/1": READY, "a/2": BROKEN, "b/1": LOADING}
    table = plan.routing(plan.Routes(groups, served={"a/1"}), standings, Epoch(1, 7))
    assert table["hosts"] == ["host-a-1", "host-a-2", "host-b-1"]
    policy = table["policy"]
    assert policy["epoch"] == {"term": 1, "sequence": 7}
    states = {
        (name, one["version"]): (one["state"], one["reason"])
        for name, model in policy["models"].items()
        for one in model["versions"]
    }
    assert states == {
        ("a", 1): ("READY", ""),
        ("a", 2): ("UNAVAILABLE", BROKEN.reason),
        ("b", 1): ("READY", ""),
    }
    assert policy["models"]["a"]["weights"] == [{"version": 1, "share": 10_000}]


@pytest.mark.parametrize(
    ("standings", "served", "chosen"),
    [
        # Nothing is known: those who ask wait for the highest.
        ({}, set(), 2),
        # The highest may need minutes, or a GPU that is not free.
        ({"a/1": READY, "a/2": LOADING}, {"a/1"}, 1),
        ({"a/1": READY, "a/2": READY}, {"a/1", "a/2"}, 2),
        # Its host is being replaced.
        ({"a/1": READY, "a/2": LOADING}, {"a/1", "a/2"}, 2),
        ({"a/1": READY, "a/2": BROKEN}, {"a/1", "a/2"}, 1),
        ({"a/1": BROKEN, "a/2": LOADING}, {"a/1"}, 2),
    ],
)
def test_requests_that_name_no_version_go_to_the_highest_that_has_served(
    standings: dict[str, Standing], served: set[str], chosen: int
) -> None:
    groups = plan.grouped([version("a", number) for number in (1, 2)])
    table = plan.routing(plan.Routes(groups, served=served), standings, Epoch())
    entry = table["policy"]["models"]["a"]
    assert entry["weights"] == [{"version": chosen, "share": 10_000}]


def test_shares_that_were_decided_count_and_who_is_unloaded_gets_nothing_new() -> None:
    groups = plan.grouped([version("a", number) for number in (1, 2)])
    routes = plan.Routes(groups, {"a": Division({1: 2_500, 3: 7_500})}, {"a/2"}, {"a/1", "a/2"})
    entry = plan.routing(routes, {}, Epoch())["policy"]["models"]["a"]
    assert entry["weights"] == [{"version": 1, "share": 2_500}, {"version": 3, "share": 7_500}]
    assert {one["version"]: (one["state"], one["reason"]) for one in entry["versions"]} == {
        1: ("READY", ""),
        2: ("UNAVAILABLE", LEAVING.reason),
        # Nothing is there of who has traffic: it is in the table all the same.
        3: ("UNAVAILABLE", "waiting to be loaded"),
    }


def test_a_model_of_which_nothing_is_there_for_a_moment_is_in_the_table() -> None:
    awaits = {"a": Division({2: 10_000}, awaited=frozenset({2}))}
    routes = plan.Routes(plan.grouped([version("b", 1)]), awaits, served={"b/1"})
    (row,) = plan.routing(routes, {}, Epoch())["policy"]["models"]["a"]["versions"]
    assert (row["version"], row["state"], row["on_demand"]) == (2, "UNAVAILABLE", True)


def test_a_plan_fits_the_processors() -> None:
    options = ServeOptions(Path("/m"), first_port=9000)
    crew = Crew([version("a", 1), version("b", 1)], cpus=8)
    made = plan.make(options, crew.groups, crew.budget, KEY)
    assert made.settings["grpc"] == "127.0.0.1:9001"
    assert made.spare_hosts == 1
    assert crew.budget.io + sum(crew.budget.lanes.values()) <= 8
    # Ray makes as many processes at once: no more than have work, nor than CPUs.
    crews = [Crew([version("a", 1)], cpus) for cpus in (1, 2, 64)]
    assert [plan.make(options, one.groups, one.budget, KEY).ray_cpus for one in crews] == [1, 2, 3]
    many = replace(options, spare_hosts=1000)
    assert plan.make(many, crew.groups, crew.budget, KEY).spare_hosts == crew.budget.cpus


def test_who_comes_later_gets_threads_and_who_is_there_keeps_what_he_has() -> None:
    crew = Crew([version("a", 1)], cpus=16)
    assert crew.threads("a/1") == 12
    crew.put(version("b", 1))
    assert (crew.threads("a/1"), crew.threads("b/1")) == (12, 6)
    crew.drop("a/1")
    assert crew.budget.lanes == {"b/1": 6}
    assert [one.label for one, _ in crew.members] == ["b/1"]


def test_endpoints_are_those_that_say_where_they_listen() -> None:
    tables: list[list[Replica]] = [
        [("r2", {"socket": "/s/2"}), ("r3", {})],
        [],
        [("r1", {"socket": "/s/1", "pid": 4})],
    ]
    assert json.loads(endpoints(tables)) == [
        {"id": "r1", "socket": "/s/1"},
        {"id": "r2", "socket": "/s/2"},
    ]


@pytest.mark.parametrize(
    ("hosts", "state", "without", "there"),
    [
        (1, "READY", "", True),
        (0, "READY", "", False),
        (0, "UNAVAILABLE", "", True),
        # Its server is away.
        (0, "READY", "m/3", True),
    ],
)
def test_a_gateway_is_there_when_all_that_should_serve_is(
    hosts: int, state: str, without: str, there: bool
) -> None:
    policy = {"models": {"m": {"versions": [{"version": 3, "state": state}]}}}
    stats = {"models": {"m": {"versions": {"3": {"hosts": hosts}}}}}
    assert reached(policy, stats, {without}) is there


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"on", b"e\nt", b"wo"], [b"one", b"two"]),
        ([b"\n\n"], [b"", b""]),
        ([b"12345678\n"], [b"12345678"]),
        ([b"123456789abc\n"], [b"12345678", b"9abc"]),
        ([b"1234567", b"89"], [b"12345678", b"9"]),
        ([], []),
    ],
)
def test_lines_come_out_however_the_bytes_come_in(pieces: list[bytes], lines: list[bytes]) -> None:
    cutter = Lines(limit=8)
    found = [line for piece in pieces for line in cutter.feed(piece)] + cutter.close()
    assert found == lines


def test_what_a_replica_tells_wrongly_or_nobody_can_take_costs_that_line_only() -> None:
    told: list[Any] = []
    spoken: list[str] = []

    def hear(label: str, facts: dict[str, Any]) -> None:
        told.append((label, facts["event"]))
        if facts["event"] == "odd":
            raise KeyError("no such thing")

    peer = Peer(hear, lambda line: spoken.append(line.text))
    events = [
        b'{"label": "m/1", "kind": "events", "pid": 7}',
        b'{"event": "moved", "reason": "' + b"x" * (2 << 20),
        b'{"no": "event"}',
        b'{"event": "odd"}',
        b'{"event": "line", "line": {"unix_ms": "of another version"}}',
        b'{"event": "ready"}',
    ]
    assert peer.take(b"\n".join(events) + b"\n")
    assert peer.take(b"")
    peer.leave()
    assert told == [("m/1", event) for event in ("here", "odd", "ready", "gone")]
    assert all("passed over what m/1 told" in text for text in spoken)
    assert any("KeyError" in text for text in spoken)


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1", b"[]", b'{"label": "m/1"}', b"\xff"])
def test_who_does_not_say_who_he_is_is_not_heard(hello: bytes) -> None:
    told: list[Any] = []
    peer = Peer(lambda label, facts: told.append(facts), told.append)
    assert not peer.take(hello + b"\n")
    peer.leave()
    assert told == []


def test_options_of_a_head_reach_its_program() -> None:
    options = HeadOptions("127.0.0.2", Path("/t"), Path("/s"), cpus=2, gpus=None)
    assert decode(encode(options)) == options
