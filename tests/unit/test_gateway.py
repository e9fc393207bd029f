"""A gateway looks whether all of its versions are carried only while that may change."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from headrace.execution.unhosted import Carriage
from headrace.serve.carried import Carried
from headrace.serve.directory import Replica
from headrace.serve.gateway import LOOKS, GatewayReplica, Table, linked

POLICY = {"models": {name: {"versions": [{"version": 1, "state": "READY"}]} for name in ("a", "b")}}


class Core:
    """Counts the looks; `hosts` is what it is connected to."""

    def __init__(self) -> None:
        self.looks = 0
        self.hosts = {"a": 0, "b": 0}

    def stats(self) -> str:
        self.looks += 1
        return json.dumps(
            {"models": {name: {"versions": {"1": {"hosts": n}}} for name, n in self.hosts.items()}}
        )


class Loop(asyncio.BaseEventLoop):
    """An event loop without sockets, whose time passes when there is nothing else to do."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing will happen any more"
        self._now += timeout
        return []

    def _process_events(self, events: list[Any]) -> None: ...


def run(live: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(live())


def no_server(_: Carriage) -> Any:
    raise ValueError("nothing is carried here without a host")


class Unmourned(GatewayReplica):
    def __del__(self) -> None:  # type: ignore[override]
        """Serve awaits the real one; here nobody would."""


@pytest.fixture
def replica() -> Any:
    one: Any = object.__new__(Unmourned)
    one._core = Core()
    one._changed = asyncio.Event()
    one._listens = False
    one._carried = Carried(no_server, lambda *_: None)
    one._replicas = {"host-a": [], "host-b": []}
    one._seen = {"host-a": asyncio.Event(), "host-b": asyncio.Event()}
    one._table = Table(policy=POLICY, hosts=["host-a", "host-b"], carried=[])
    return one


def found(name: str) -> list[Replica]:
    return [(name, {"socket": f"/s/{name}"})]


def test_a_version_that_cannot_be_placed_is_not_looked_for_until_a_host_is_found(
    replica: Any,
) -> None:
    async def live() -> None:
        waiting = asyncio.create_task(replica._all_reached())
        await asyncio.sleep(60)
        replica._found("host-a", found("a"))
        replica._core.hosts["a"] = 1
        await asyncio.sleep(60)
        assert replica._core.looks <= 2 * LOOKS + 2
        rested = replica._core.looks
        await asyncio.sleep(3600)
        assert replica._core.looks == rested
        replica._found("host-b", found("b"))
        await asyncio.sleep(1)
        assert not waiting.done(), "its link is not up yet"
        replica._core.hosts["b"] = 1
        await asyncio.sleep(1)
        assert waiting.done()

    run(live)


def test_a_host_that_is_found_is_looked_for_until_its_link_is_up(replica: Any) -> None:
    async def live() -> None:
        waiting = asyncio.create_task(replica._all_reached())
        replica._core.hosts["a"] = 1
        replica._found("host-a", found("a"))
        replica._found("host-b", found("b"))
        await asyncio.sleep(60)
        replica._core.hosts["b"] = 1
        await asyncio.sleep(1)
        assert waiting.done()

    run(live)


def test_a_version_that_is_given_up_is_waited_for_no_longer(replica: Any) -> None:
    async def live() -> None:
        waiting = asyncio.create_task(replica._all_reached())
        replica._core.hosts["a"] = 1
        await asyncio.sleep(60)
        failed = {"models": {"a": POLICY["models"]["a"], "b": {"versions": []}}}
        replica._table = Table(policy=failed, hosts=["host-a"], carried=[])
        replica._publish()
        await asyncio.sleep(1)
        assert waiting.done()

    run(live)


def test_what_was_tried_in_vain_is_not_waited_for(replica: Any) -> None:
    async def live() -> None:
        replica._table["carried"] = [{"label": "b/1"}]
        replica._carried.untried = frozenset({"b/1"})
        replica._core.hosts["a"] = 1
        waiting = asyncio.create_task(replica._all_reached())
        await asyncio.sleep(60)
        assert not waiting.done(), "it may yet answer"
        replica._carried.untried = frozenset()
        replica._changed.set()
        await asyncio.sleep(1)
        assert waiting.done()

    run(live)


def test_hosts_of_all_versions_that_have_some_count() -> None:
    versions = {"1": {"hosts": 2}, "2": {}, "3": {"hosts": 1}}
    stats = {"models": {"a": {"versions": versions}, "b": {"versions": {}}}}
    assert linked(stats, {"a/3"}) == 2
