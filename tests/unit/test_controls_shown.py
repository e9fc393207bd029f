"""What people and callers are shown of a version that stands twice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.tables import status_lines
from headrace.config.rollouts import RolloutPlan
from headrace.config.schema import ModelConfig
from headrace.console.board import ModelStatus, Status, VersionStatus, as_json, unfinished
from headrace.console.forecast import Carried, Traffic, resources
from headrace.control.engine import Assignment
from headrace.control.using import in_use
from headrace.execution.calling import Calling
from headrace.execution.lanes import describe
from headrace.execution.opening import context
from headrace.execution.voices import line
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.repository.instances import (
    control,
    control_of,
    is_control,
    number_of,
    original,
    shown,
    spoken,
    version_of,
)

ONE = control_of(1)
VERSION = Version("m", 1, Path("/m/1"), "python", ModelConfig())
READY = Standing(State.READY, "loaded")


@pytest.mark.parametrize(
    ("number", "people", "callers"),
    [(3, "3", 3), (10**18 - 1, "9" * 18, 10**18 - 1), (10**18 + 3, "3+control", 3)],
)
def test_a_control_is_its_version_to_callers_and_has_a_name_for_people(
    number: int, people: str, callers: int
) -> None:
    assert (spoken(number), version_of(number), number_of(people)) == (people, callers, number)
    assert shown(f"a/{number}") == f"a/{people}"
    assert original(f"a/{number}") == f"a/{callers}"
    assert is_control(number) is (number != callers)


def test_what_is_no_version_stays_as_it_is() -> None:
    assert [shown(one) for one in ("headrace", "shared", "a/b")] == ["headrace", "shared", "a/b"]
    with pytest.raises(ValueError, match="3 or 3\\+control"):
        number_of("3+shadow")


def test_operators_see_it_beside_the_versions_and_under_a_name() -> None:
    rows = [
        VersionStatus(1, READY, process="m/1", share_percent=80),
        VersionStatus(ONE, READY, process=f"m/{ONE}", share_percent=20, in_flight=1),
    ]
    status = Status("ray", {}, [ModelStatus("m", rows)], processes={f"m/{ONE}": (), "m/1": ()})
    told: dict[str, Any] = as_json(status) | {"lost": []}
    (model,) = told["models"]
    assert [(one["version"], one["share_percent"]) for one in model["versions"]] == [(1, 80)]
    assert [(one["version"], one["share_percent"]) for one in model["controls"]] == [(1, 20)]
    assert told["processes"] == {"m/1+control": [], "m/1": []}
    assert str(ONE) not in str(told)
    assert [text.split()[1] for text in list(status_lines(told))[2:]] == ["1", "1+control"]
    assert "m/1+control (0 waiting, 1 running)" in unfinished(status, 1.0)
    assert line(f"m/{ONE}", "log", "hello").speaker == "m/1+control"


def test_callers_and_the_model_see_the_version() -> None:
    twice = control(VERSION, VERSION)
    assert (twice.label, Assignment(twice).number) == (f"m/{ONE}", 1)
    assert context(twice).version == 1
    assert describe(twice.label, ValueError("no")) == "model 'm' version 1 raised ValueError: no"
    assert vars(Calling(twice))["_label"] == "m/1"


def test_it_has_the_versions_files_and_as_many_replicas_as_who_it_is_compared_with() -> None:
    config = ModelConfig.model_validate(
        {"placement": {"replicas": {"min": 2, "max": 2}, "threads": 3}}
    )
    twice = control(VERSION, replace(VERSION, number=2, config=config))
    assert (twice.folder, twice.home) == (VERSION.folder, VERSION.home)
    placement = twice.config.placement
    assert (placement.replicas.min, placement.threads) == (2, None)
    # Its folder is in use for as long as it runs, also where its version is not wanted any more.
    used = in_use({"m/1": frozenset({VERSION.folder})}, {}, [twice.label])
    assert used == {"m/1": frozenset({VERSION.folder})}


ON_TWO, ON_THREE = Carried(2, 100 << 20), Carried(3, 50 << 20)


@pytest.mark.parametrize(
    ("said", "serves", "says"),
    [
        ({"control": "own"}, ON_THREE, "a second time, on 2 hosts more: 100 MiB of memory"),
        ({"control": "own"}, Carried(1, None), "on 2 hosts more: what it takes is known once"),
        ({"kind": "a/a"}, ON_THREE, "10 % of the traffic, 10 requests/s as it is now, go there"),
    ],
)
def test_what_a_second_instance_takes_is_said(
    said: dict[str, Any], serves: Carried, says: str
) -> None:
    twice = RolloutPlan.model_validate({"judge": {"errors": {}}, "steps_percent": [10]} | said)
    found = resources(twice, 2, ON_TWO, serves, Traffic(100.0, 100.0, 50.0, over_s=5.0))
    assert says in "\n".join(found)
    assert not any("no more are started" in one for one in found)
