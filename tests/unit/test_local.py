"""Versions that one process carries, and what becomes of them as others are wanted."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headrace.control.demand import Usage
from headrace.control.engine import Assignment, Beginning
from headrace.execution import threads
from headrace.execution.policy import Division
from headrace.execution.voices import Line
from headrace.local.around import Around
from headrace.local.carrying import Carrying
from headrace.models.lifecycle import State
from headrace.repository.folder import Version, find

WriteModel = Callable[..., Path]


class Intake:
    """Of a version that nobody calls: its lanes wait until it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def next_batch(self, lane: int) -> None:
        self.closed.wait()


class World:
    """A host whose versions have no calls, and a gateway that takes tables."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.tables: list[Any] = []
        self.lines: list[Line] = []
        self.busy: dict[str, int] = {}
        self.changed = threading.Condition()
        self.closed: list[str] = []
        self.intakes: dict[str, Intake] = {}

    def open(self, contract: str, **conduct: Any) -> Any:
        told = json.loads(contract)
        intake = self.intakes[f"{told['model']}/{told['version']}"] = Intake()
        return intake

    def close(self, model: str, version: int) -> None:
        label = f"{model}/{version}"
        self.closed.append(label)
        self.intakes.pop(label).closed.set()

    def end(self) -> None:
        """Have all lanes end."""
        for one in self.intakes.values():
            one.closed.set()

    def next_hang(self) -> None: ...

    def used(self) -> Mapping[str, Usage]:
        return {label: Usage(calls, 0.0, calls) for label, calls in self.busy.items()}

    def dial(self, upstream: str) -> Any:
        raise ValueError("no server is spoken with here")

    def compose(self, ensemble: str) -> Any:
        raise ValueError("no models answer together here")

    def apply(self, table: str) -> None:
        if self.refuses and self.refuses in table:
            self.refuses = ""
            raise ValueError("lone leading surrogate in hex escape")
        with self.changed:
            self.tables.append(json.loads(table))
            self.changed.notify_all()

    def carrying(self, *versions: Version, clock: Callable[[], float] = time.monotonic) -> Carrying:
        budget = threads.plan(2, [threads.lanes_of(one, 1) for one in versions])
        around = Around(self, self.apply, self.used, self.lines.append, budget, self)
        return Carrying(around, Beginning([Assignment(one) for one in versions]), clock)

    def wait(self, shown: Mapping[str, str]) -> None:
        """Wait until the gateway's table has these states, by label, and no others."""

        def there() -> bool:
            return bool(self.tables) and states(self.tables[-1]) == shown

        with self.changed:
            assert self.changed.wait_for(there, 60), states(self.tables[-1])

    def comes(self, met: Callable[[], bool]) -> None:
        """Wait until this is so; of each move gateways have a table."""
        told = len(self.tables)
        # Without the lock of tables: who publishes one has others, and waits for this one.
        while not met():
            with self.changed:
                more = partial(self._has_more_than, told)
                assert self.changed.wait_for(more, 60), states(self.tables[-1])
            told = len(self.tables)

    def _has_more_than(self, told: int) -> bool:
        return len(self.tables) > told


def states(table: Any) -> dict[str, str]:
    return {
        f"{name}/{one['version']}": one["state"]
        for name, model in table["models"].items()
        for one in model["versions"]
    }


@pytest.mark.parametrize("step_s", [0.0, 1.0, 0.01], ids=["always", "rarely", "at its end"])
def test_a_version_that_the_gateway_refuses_does_not_keep_the_next_from_loading(
    write_model: WriteModel, step_s: float
) -> None:
    """However often there is time to tell the gateway while versions load."""
    models = write_model("first")
    write_model("second")
    world = World(refuses='"first": {"versions": [{"version": 1, "state": "READY"')
    ticks = count(0.0, step_s)
    carrying = world.carrying(*find(models), clock=lambda: next(ticks))
    serving = carrying.load_first()
    assert "second/1" in {one.version.label for one in serving}
    assert any("lone leading surrogate" in line.text for line in world.lines)


@pytest.fixture
def two(write_model: WriteModel) -> list[Version]:
    write_model("doubler")
    return find(write_model("doubler", version="2"))


def test_what_is_wanted_is_loaded_and_what_is_not_goes_once_it_has_answered(
    two: list[Version],
) -> None:
    one, other = two
    world = World()
    carrying = world.carrying(one)
    carrying.load_first()
    carrying.begin()
    world.wait({"doubler/1": "READY"})
    carrying.want([Assignment(one), Assignment(other)], {"doubler": Division({1: 10_000})})
    world.wait({"doubler/1": "READY", "doubler/2": "READY"})
    weights = world.tables[-1]["models"]["doubler"]["weights"]
    assert weights == [{"version": 1, "share": 10_000}]

    world.busy = {"doubler/1": 1}
    carrying.want([Assignment(other)], {"doubler": Division({2: 10_000})})
    world.wait({"doubler/1": "UNAVAILABLE", "doubler/2": "READY"})
    assert carrying.standings()["doubler/1"].state is State.DRAINING
    assert world.closed == []
    world.busy = {}
    world.wait({"doubler/2": "READY"})
    assert world.closed == ["doubler/1"]
    epochs = [table["epoch"]["sequence"] for table in world.tables]
    assert epochs == sorted(set(epochs)), "gateways take later tables alone"


def test_who_is_wanted_again_before_he_ended_goes_on(two: list[Version]) -> None:
    one, other = two
    world = World()
    carrying = world.carrying(one, other)
    carrying.load_first()
    carrying.begin()
    world.busy = {"doubler/1": 1}
    carrying.want([Assignment(other)], {})
    world.wait({"doubler/1": "UNAVAILABLE", "doubler/2": "READY"})
    carrying.want([Assignment(one), Assignment(other)], {})
    world.wait({"doubler/1": "READY", "doubler/2": "READY"})
    assert world.closed == []


def test_what_could_not_be_loaded_is_loaded_anew_when_it_is_asked_for_again(
    write_model: WriteModel,
) -> None:
    models = write_model(source="raise RuntimeError('no weights')")
    (broken,) = find(models)
    world = World()
    carrying = world.carrying(broken)
    assert carrying.load_first() == []
    carrying.begin()
    world.wait({"doubler/1": "UNAVAILABLE"})
    from tests.unit.conftest import WORKING

    (broken.folder / "model.py").write_text(WORKING)
    carrying.want([Assignment(broken, asked=1)], {})
    world.wait({"doubler/1": "READY"})


def test_who_never_gets_ready_and_is_wanted_no_more_keeps_no_other_from_loading(
    write_model: WriteModel, tmp_path: Path
) -> None:
    from tests.unit.conftest import WORKING

    go = tmp_path / "go"
    waits = (
        f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    )
    write_model("doubler")
    write_model("doubler", version="2", source=waits + WORKING)
    one, late, last = find(write_model("doubler", version="3"))
    world = World()
    carrying = world.carrying(one)
    carrying.load_first()
    carrying.begin()
    carrying.want([Assignment(one), Assignment(late)], {})
    world.wait({"doubler/1": "READY", "doubler/2": "LOADING"})
    carrying.want([Assignment(one), Assignment(last)], {})
    world.wait({"doubler/1": "READY", "doubler/2": "UNAVAILABLE", "doubler/3": "READY"})
    go.touch()
    world.wait({"doubler/1": "READY", "doubler/3": "READY"})
    assert world.closed == ["doubler/2"]
