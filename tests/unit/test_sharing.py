"""Versions that share a process: who does, and what one of them costs the others."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_serve_decisions import BROKEN, KEY, LOADING, NOTHING, READY, version
from tests.unit.watched import Serve

from headrace.config.options import ServeOptions
from headrace.config.schema import ModelConfig
from headrace.console.board import ModelStatus, Status, VersionStatus
from headrace.console.greeting import greeting
from headrace.models.lifecycle import State
from headrace.repository.folder import Version
from headrace.serve import fleet, plan
from headrace.serve.board import RunBoard
from headrace.serve.crew import Crew

OWN: dict[str, Any] = {}
SHARED: dict[str, Any] = {"isolation": "shared"}
TWO: dict[str, Any] = {"replicas": {"min": 2, "max": 2}}


@pytest.mark.parametrize(
    ("placements", "groups"),
    [
        ([OWN, OWN], {"m0/1": 1, "m1/1": 1}),
        ([SHARED, OWN, SHARED], {"shared": 2, "m1/1": 1}),
        # One alone has the name that it would have among others.
        ([SHARED], {"shared": 1}),
        ([OWN | {"isolation": "own"}, SHARED], {"m0/1": 1, "shared": 1}),
        # What belongs to a process is the same for all that are in it.
        ([SHARED, SHARED | {"gpus": 0.5}], {"shared": 1, "shared-gpus-0.5": 1}),
        ([SHARED | {"gpus": 0.5}, SHARED | {"gpus": 0.5}], {"shared-gpus-0.5": 2}),
        ([SHARED | {"gpus": 1}, SHARED | {"gpus": 1.0}], {"shared-gpus-1": 2}),
        ([SHARED | TWO, SHARED], {"shared-replicas-2": 1, "shared": 1}),
        ([SHARED | {"threads": 2}, SHARED], {"shared-threads-2": 1, "shared": 1}),
        (
            [SHARED | TWO | {"threads": 4, "gpus": 2}],
            {"shared-gpus-2-replicas-2-threads-4": 1},
        ),
        # Lanes are each version's own.
        ([SHARED | {"lanes": 2}, SHARED], {"shared": 2}),
    ],
)
def test_versions_share_that_say_so_and_agree_on_what_a_process_has(
    placements: list[dict[str, Any]], groups: dict[str, int]
) -> None:
    found = plan.grouped(version(f"m{at}", 1, **one) for at, one in enumerate(placements))
    assert {group.label: len(group.versions) for group in found} == groups


def test_no_two_groups_have_one_application() -> None:
    # A model may have any name; a version's label has a slash, and the name of a group has none.
    names = ["shared", "gateway", "host-shared", "shared-gpus-1"]
    own = [version(name, number) for name in names for number in (1, 2)]
    found = plan.grouped([*own, version("a", 1, **SHARED), version("b", 1, gpus=1, **SHARED)])
    assert len({group.application for group in found} | {"gateway"}) == len(own) + 3
    assert len({group.label for group in found}) == len(own) + 2


def test_a_shared_host_is_one_process_and_its_lanes_are_all_counted() -> None:
    versions = [version(f"m{at}", 1, lanes=2, **SHARED) for at in range(3)]
    crew = Crew(versions, cpus=64)
    made = plan.make(ServeOptions(Path("/m")), crew.groups, crew.budget, KEY)
    assert made.ray_cpus == 1 + plan.GATEWAYS
    assert crew.budget.lanes == {f"m{at}/1": (64 - 16) // 6 for at in range(3)}
    assert [one.label for one, _ in crew.members] == ["m0/1", "m1/1", "m2/1"]


def test_serve_is_as_patient_with_a_shared_host_as_its_slowest_model_needs() -> None:
    slow = ModelConfig.model_validate({"placement": SHARED, "limits": {"hang_timeout_s": 600}})
    (group,) = plan.grouped(
        [version("a", 1, **SHARED), Version("b", 1, Path("/m/b/1"), "python", slow)]
    )
    assert group.patience_s == plan.patience_s(600)


def die_loading(told: fleet.Told, times: int) -> fleet.Told:
    for pid in range(times):
        told = fleet.gone(fleet.moved(told, LOADING, pid), pid, shared=True)
    return told


@pytest.mark.parametrize(
    ("told", "state", "left_out"),
    [
        (die_loading(NOTHING, 1), State.LOADING, False),
        (die_loading(NOTHING, 2), State.FAILED, True),
        (die_loading(fleet.moved(NOTHING, READY, 9), 2), State.READY, True),
        # It has been ready between the two.
        (
            die_loading(fleet.gone(fleet.moved(die_loading(NOTHING, 1), READY, 9), 9), 1),
            State.LOADING,
            False,
        ),
        # It said why it cannot be loaded, and another version ended the process later.
        (fleet.gone(fleet.moved(NOTHING, BROKEN, 1), 1, shared=True), State.FAILED, False),
        # Another version was loaded in that process.
        (fleet.gone(fleet.gone(NOTHING, 1, shared=True), 2, shared=True), State.LOADING, False),
    ],
)
def test_what_ends_its_process_twice_in_a_row_as_it_loads_is_left_out(
    told: fleet.Told, state: State, left_out: bool
) -> None:
    running = fleet.Application("RUNNING", {"RUNNING": 1})
    assert fleet.left_out(told) is left_out
    assert fleet.judge(running, told).state is state
    assert fleet.begun_again(told) == told or not left_out


def test_a_process_of_its_own_is_tried_again_however_often_it_ends() -> None:
    told = NOTHING
    for pid in range(5):
        told = fleet.gone(fleet.moved(told, LOADING, pid), pid)
    assert not fleet.left_out(told)


@pytest.fixture
def serve() -> Serve:
    return Serve({"shared": fleet.Application("RUNNING", {"RUNNING": 1})})


def test_a_death_is_one_of_all_that_the_process_carried_and_the_next_goes_without_the_cause(
    serve: Serve,
) -> None:
    watching = serve.watch(*(version(name, 1, **SHARED) for name in "abc"))

    def moved(name: str, pid: int, state: str) -> None:
        told = {"event": "moved", "version": name, "state": state, "reason": "so it is"}
        watching.hear("shared", {**told, "pid": pid})

    for pid in (1, 2, 3):
        watching.hear("shared", {"event": "here", "pid": pid})
        moved("a/1", pid, "ready")
        if pid < 3:
            moved("b/1", pid, "loading")
            watching.hear("shared", {"event": "words", "pid": pid, "why": "Segmentation fault"})
            watching.hear("shared", {"event": "gone", "pid": pid})
    moved("c/1", 3, "failed")
    assert serve.begun == [("shared", 1, set()), ("shared", 2, set()), ("shared", 3, {"b/1"})]
    assert {name: one.count for name, one in serve.accounts.records().items()} == {
        "a/1": 2,
        "b/1": 2,
        "c/1": 2,
    }
    watching.start()
    assert serve.asked.acquire(timeout=60)
    watching.stop(60)
    standings = watching.standings
    assert [standings[f"{name}/1"].state.value for name in "abc"] == ["ready", "failed", "failed"]
    assert standings["b/1"].reason.endswith(
        "placement.isolation own would show more: Segmentation fault"
    )
    versions = serve.tables[-1]["policy"]["models"]
    assert [versions[name]["versions"][0]["state"] for name in "abc"] == [
        "READY",
        "UNAVAILABLE",
        "UNAVAILABLE",
    ]


def test_status_and_greeting_show_each_version_by_itself_and_where_it_is() -> None:
    versions = [version(name, 1, **SHARED) for name in "ab"]
    board = RunBoard(
        Crew([*versions, version("c", 1)], cpus=8), "127.0.0.1:8003", lambda question: []
    )
    board.stand({"a/1": READY, "b/1": BROKEN, "c/1": READY})
    one = fleet.Application("RUNNING", {"RUNNING": 1})
    board.applications = {"shared": one, "host-c-1": one}
    board.hear("shared", {"event": "here", "pid": 7})
    inputs = {"event": "inputs", "version": "a/1", "inputs": [("x", "FP32", [4])], "pid": 7}
    board.hear("shared", inputs)
    status = board.status()
    assert status.processes == {"shared": (7,)}
    assert list(board.inputs) == ["a"]
    shown = {
        model.name: (version.process, version.hosts, version.standing.state)
        for model in status.models
        for version in model.versions
    }
    assert shown == {
        "a": ("shared", 1, State.READY),
        "b": ("shared", 0, State.FAILED),
        "c": ("c/1", 1, State.READY),
    }
    lines = greeting(status, {}, {}, Path("/s")).splitlines()
    assert lines[1] == "  a/1: ready, ready in 0.1 s; 1 lane of 2 threads; in shared"
    assert lines[3] == "  c/1: ready, ready in 0.1 s; 1 lane of 2 threads"


def test_one_process_for_everything_needs_no_name() -> None:
    ready = VersionStatus(1, READY)
    text = greeting(Status("local", {}, [ModelStatus("m", [ready])]), {}, {}, Path("/s"))
    assert "  m/1: ready, ready in 0.1 s; 1 lane of 1 thread\n" in text
