"""A device's memory that is short: who is let go, for whom, and who hears of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests import fake_driver
from tests.fake_driver import MIB, Memory
from tests.unit.test_device_memory import SOURCE, placed
from tests.unit.test_local import World

from headrace.console.arrivals import evict
from headrace.console.logbook import Logbook
from headrace.control import orders
from headrace.control.controller import Controller
from headrace.control.demand import Usage
from headrace.control.finding import Finding
from headrace.control.store import Store, in_folder
from headrace.errors import Unwanted
from headrace.execution import runner, threads
from headrace.execution.memory.ledger import Ledger
from headrace.execution.memory.reckoning import OnGpu
from headrace.local.around import Around
from headrace.local.carrying import Carrying
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version, find

WriteModel = Callable[..., Path]
#: Nobody has asked for such a one for long, and nobody does now.
IDLE = Usage(0, 3600.0)
WHO: Any = {"who": "ann", "why": ""}


class Node(World):
    """A server of one process: its operator's desk, its models, and a GPU of 16,000 MiB."""

    def __init__(self, tmp_path: Path, write: WriteModel, max_loaded: int | None = None) -> None:
        super().__init__()
        self.folder, self.write, self.max_loaded = tmp_path, write, max_loaded
        self.placements: dict[str, dict[str, Any]] = {}
        #: What passes from one look at what gateways count to the next, and has passed by now.
        self.between_looks_s = self.passed_s = 0.0
        #: What gateways count of each version; of others that they are idle for long.
        self.usage: dict[str, Usage] = {}
        self.ledger = Ledger(tmp_path / "cache" / "devices.sqlite")
        self.book = Logbook(tmp_path / "logs", None)
        self.store = Store(in_folder(tmp_path))
        finding = Finding(self.found, lambda *_: [], lambda one: one, lambda folders: None)
        self.controller = Controller(self.store, finding)

    def used(self) -> Mapping[str, Usage]:
        self.passed_s += self.between_looks_s
        found = [one.label for one in self.found("")]
        return {**dict.fromkeys(found, IDLE), **self.usage}

    def found(self, model: str, numbers: Set[int] = frozenset()) -> Sequence[Version]:
        there = find(self.folder / "models")
        return [
            placed(one, **self.placements.get(one.label, {}))
            for one in there
            if model in ("", one.model)
        ]

    def has(self, label: str, mebibytes: int, **placement: Any) -> None:
        """Write a version that takes so much, and whose model.yaml says this."""
        model, _, number = label.partition("/")
        self.placements[label] = {"device_memory_mib": mebibytes, **placement}
        # A parameter is a model's: versions of one model take the same here.
        yaml = f"parameters: {{weights: {mebibytes}, row: 0}}"
        self.write(model, source=SOURCE, yaml=yaml, version=number)

    def begin(self) -> Carrying:
        beginning = self.controller.begin(self.found(""))
        lanes = [threads.lanes_of(one.version, 1) for one in beginning.assignments]
        around = Around(
            self,
            self.apply,
            self.used,
            self.lines.append,
            threads.plan(2, lanes),
            self,
            max_loaded=self.max_loaded,
        )
        self.engine = Carrying(around, beginning, lambda: time.monotonic() + self.passed_s)
        self.controller.drive(self.engine)
        self.engine.stood = self.controller.stood
        self.engine.evict = partial(evict, self.controller, self.book)
        self.engine.load_first()
        self.engine.begin()
        return self.engine

    def load(self, label: str, after_s: float = 3600.0) -> Standing:
        """Have an operator load one, and wait for what becomes of it, with so much time passing."""
        self.between_looks_s = after_s
        model, _, number = label.partition("/")
        self.controller.load(model, int(number), swap=False, **WHO)
        standing = self.controller.wait(model, int(number))
        self.between_looks_s = 0.0
        return standing

    def until(self, label: str, state: State) -> None:
        """Wait until a version stands so."""
        self.comes(lambda: self.engine.standings()[label].state is state)

    def held(self) -> dict[str, int]:
        return {one.label: one.bytes // MIB for one in self.ledger.claims("GPU-1")}

    def journal(self) -> list[tuple[str, str, str]]:
        return [(one.who, one.what, one.why) for one in self.controller.store.journal(10)]

    def reason(self, label: str) -> str:
        rows = self.controller.versions()
        return next(one.reason for one in rows if one.version.label == label)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(fake_driver, "GPU", made)
    return made


@pytest.fixture
def node(
    tmp_path: Path, write_model: WriteModel, gpu: Memory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Node]]:
    made: list[Node] = []

    def begin(max_loaded: int | None = None) -> Node:
        one = Node(tmp_path, write_model, max_loaded)
        made.append(one)

        def reckoning(version: Version, say: Callable[[str], None]) -> OnGpu:
            return OnGpu(placed(version, gpus=1), gpu.read, one.ledger, say)

        monkeypatch.setattr(runner, "reckoning", reckoning)
        return one

    yield begin
    for one in made:
        one.end()
        one.store.close()
        one.book.close()


def with_two_cats(one: Node, mebibytes: int) -> Node:
    """Begin with two versions that may be unloaded, the second of which has the traffic."""
    for label in ("cats/1", "cats/2"):
        one.has(label, mebibytes, evictable=True)
    one.begin()
    one.wait({"cats/1": "READY", "cats/2": "READY"})
    return one


def test_what_an_operator_loads_has_the_memory_of_one_that_may_be_unloaded(
    node: Callable[..., Node],
) -> None:
    one = with_two_cats(node(), 6000)
    one.has("dogs/1", 8000)
    assert one.load("dogs/1").state is State.READY
    assert one.held() == {"cats/2": 6000, "dogs/1": 8000}, "the one with traffic stays"
    why = "made room for dogs/1, which needed 3.9 GiB more of GPU-1"
    assert ("headrace", "unload 1", why) in one.journal()
    assert one.reason("cats/1") == f"unloaded by headrace: {why}"
    assert one.closed == ["cats/1"]


def test_who_did_not_say_so_is_not_unloaded_and_it_is_said_who_could_be(
    node: Callable[..., Node],
) -> None:
    one = node()
    one.has("cats/1", 6000)
    one.has("cats/2", 6000)
    one.begin()
    one.wait({"cats/1": "READY", "cats/2": "READY"})
    one.has("dogs/1", 8000)
    standing = one.load("dogs/1")
    assert standing.state is State.FAILED
    assert "dogs/1 takes 7.8 GiB of GPU-1 (placement.device_memory_mib), and 3.9 GiB of 15.6" in (
        standing.reason
    )
    assert "3.9 GiB more are needed" in standing.reason
    assert "without traffic: cats/1 5.9 GiB (`headrace unload`" in standing.reason
    assert one.held() == {"cats/1": 6000, "cats/2": 6000}
    assert one.closed == []


def test_who_has_just_been_loaded_is_not_idle(node: Callable[..., Node]) -> None:
    one = with_two_cats(node(), 6000)
    one.has("dogs/1", 8000)
    assert "cats/1 was asked for" in one.load("dogs/1", after_s=0.0).reason
    assert one.held() == {"cats/1": 6000, "cats/2": 6000}
    assert one.load("dogs/1").state is State.READY


def test_nobody_goes_where_all_of_them_would_not_be_enough(node: Callable[..., Node]) -> None:
    one = with_two_cats(node(), 2000)
    one.has("dogs/1", 15_000)
    assert one.load("dogs/1").state is State.FAILED
    assert one.held() == {"cats/1": 2000, "cats/2": 2000}


def test_who_is_asked_for_by_its_number_is_in_use(node: Callable[..., Node]) -> None:
    one = with_two_cats(node(), 6000)
    one.usage["cats/1"] = Usage(0, 12.0)
    one.has("dogs/1", 8000)
    assert "cats/1 was asked for 12 s ago" in one.load("dogs/1").reason
    one.usage["cats/1"] = IDLE
    assert one.load("dogs/1").state is State.READY, "it is tried anew"
    assert one.held() == {"cats/2": 6000, "dogs/1": 8000}


def test_an_idle_version_on_demand_makes_room_before_anybody_is_unloaded(
    node: Callable[..., Node],
) -> None:
    one = node(max_loaded=5)
    one.has("cats/1", 6000, evictable=True)
    one.has("cats/2", 6000)
    one.has("lazy/1", 3000, isolation="shared")
    one.begin()
    one.wait({"cats/1": "READY", "cats/2": "READY", "lazy/1": "READY"})
    one.has("dogs/1", 2000)
    assert one.load("dogs/1").state is State.READY
    assert one.held() == {"cats/1": 6000, "cats/2": 6000, "dogs/1": 2000}
    lazy = one.engine.standings()["lazy/1"]
    assert lazy.state is State.STANDBY
    assert lazy.reason == (
        "is loaded when a request asks for it; it made room for dogs/1, which needed 1000 MiB more "
        "of GPU-1"
    )
    assert all("unload" not in what for _, what, _ in one.journal())


def test_of_versions_on_demand_as_many_are_there_as_the_device_holds(
    node: Callable[..., Node],
) -> None:
    """Whoever is asked for has the memory of the one that was asked for the longest time ago."""
    one = node(max_loaded=5)
    for name in ("a", "b", "c"):
        one.has(f"{name}/1", 6000, isolation="shared")
    one.begin()
    # The third was tried, and waits for its first request.
    one.wait({"a/1": "READY", "b/1": "READY", "c/1": "UNAVAILABLE"})
    one.until("c/1", State.STANDBY)
    one.usage |= {"a/1": Usage(0, 100.0), "b/1": Usage(0, 200.0), "c/1": Usage(1, 0.0)}
    one.engine.call("c/1")
    one.wait({"a/1": "READY", "b/1": "UNAVAILABLE", "c/1": "READY"})
    assert one.held() == {"a/1": 6000, "c/1": 6000}
    one.usage |= {"b/1": Usage(1, 0.0), "c/1": Usage(0, 300.0)}
    one.engine.call("b/1")
    one.wait({"a/1": "UNAVAILABLE", "b/1": "READY", "c/1": "READY"})
    assert one.held() == {"b/1": 6000, "c/1": 6000}, "who has just come has its turn"


def test_who_waits_for_one_that_makes_room_does_not_keep_it(node: Callable[..., Node]) -> None:
    one = node(max_loaded=5)
    for name in ("a", "b", "c"):
        one.has(f"{name}/1", 6000, isolation="shared")
    one.begin()
    one.wait({"a/1": "READY", "b/1": "READY", "c/1": "UNAVAILABLE"})
    # Each has a caller who comes again and again, and none of them is with a host.
    one.usage |= dict.fromkeys(("a/1", "b/1", "c/1"), Usage(1, 0.0, 0))
    one.engine.call("c/1")
    one.until("c/1", State.READY)
    assert len(one.held()) == 2


def test_one_that_fits_on_no_device_answers_its_callers_with_the_reason(
    node: Callable[..., Node],
) -> None:
    one = node(max_loaded=5)
    one.has("a/1", 6000, isolation="shared")
    one.has("huge/1", 20_000, isolation="shared")
    one.begin()
    one.wait({"a/1": "READY", "huge/1": "UNAVAILABLE"})
    one.usage["huge/1"] = Usage(1, 0.0)
    one.engine.call("huge/1")
    one.until("huge/1", State.FAILED)
    assert one.held() == {"a/1": 6000}
    assert "9.8 GiB more are needed" in one.engine.standings()["huge/1"].reason


def test_a_version_that_has_traffic_by_now_is_not_evicted(node: Callable[..., Node]) -> None:
    one = with_two_cats(node(), 100)
    with pytest.raises(Unwanted, match="cats/2 is in use by now"):
        one.controller.obey(orders.evict("cats", 2), **WHO)
    one.controller.obey(orders.split("cats", {1: 10_000}), **WHO)
    with pytest.raises(Unwanted, match="cats/1 is in use by now"):
        one.controller.obey(orders.evict("cats", 1), **WHO)
    one.controller.obey(orders.evict("cats", 2), **WHO)
