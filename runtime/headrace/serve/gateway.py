"""The gateway as a Serve deployment: the core does the work, this keeps its tables fresh."""

import asyncio
import json
import os
import threading
from collections.abc import Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict

from headrace.execution.unhosted import Carriage, Word, carry
from headrace.serve.carried import Carried
from headrace.serve.directory import HOST, Replica, endpoints
from headrace.serve.private import Directory
from headrace.serve.turn import Turn
from headrace.serve.voice import DONE, PROFILES, Events, redirect_output

#: How long a new gateway waits for the directory before it takes connections: a replacement for
#: one that died should know its hosts before its first request, and a run without hosts must still
#: answer.
FIRST_LOOK_S: Final = 1.0

#: Between two looks whether every model serves, after a change of the hosts that there are. The
#: pause grows to the longest, and after so many looks (some six seconds) nobody looks until the
#: next change: a version that cannot be placed would be looked for as long as the run lasts.
SHORTEST_LOOK_S: Final = 0.05
LONGEST_LOOK_S: Final = 1.0
LOOKS: Final = 12
BIND_ATTEMPTS: Final = 100
BIND_PAUSE_S: Final = 0.02


class Table(TypedDict):
    """What changes while a gateway runs; Serve keeps it and gives it to every new replica."""

    policy: dict[str, Any]
    #: Serve applications whose replicas are hosts.
    hosts: list[str]
    #: What it carries itself, without hosts: the fields of a `Carriage` each.
    carried: list[dict[str, Any]]


@dataclass(frozen=True)
class GatewayOptions:
    """What a gateway is started with."""

    settings: dict[str, Any] = field(repr=False)
    sink: str
    #: The file whose lock is the turn to serve.
    turn: str
    drain_s: float


class GatewayReplica:
    """One of a node's two: one serves, the other stands by until the first one's process is gone.

    Serve needs seconds for a new process on a busy machine; the one that stands by needs
    milliseconds.
    """

    def __init__(self, options: GatewayOptions) -> None:
        redirect_output(Path(options.sink), "gateway")
        from headrace_core import Gateway

        self._options = options
        self._core = Gateway(json.dumps(options.settings))
        self._events = Events(Path(options.sink), "gateway")
        self._turn = Turn(Path(options.turn))
        self._carried = Carried(partial(carry, self._core), self._hear_carried)
        self._replicas: dict[str, list[Replica]] = {}
        self._directory: Directory | None = None
        self._seen: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._serving: asyncio.Task[None] | None = None
        self._listens = self._has_served = False
        self._table = Table(policy={}, hosts=[], carried=[])
        for task in (
            self._report_errors,
            self._report_operations,
            self._report_demand,
            self._answer,
        ):
            threading.Thread(target=task, daemon=True).start()

    async def reconfigure(self, table: Table) -> None:
        """Apply a table: Serve calls this after the start and whenever the table changes."""
        self._table = table
        self._core.apply_policy(json.dumps(table["policy"]))
        self._events.tell("applied", **table["policy"]["epoch"])
        if self._directory is None:
            self._directory = Directory(self._loop)
        for application in set(self._replicas) - set(table["hosts"]):
            del self._replicas[application]
            self._directory.forget(application, HOST)
        for application in table["hosts"]:
            self._seen.setdefault(application, asyncio.Event())
            self._replicas.setdefault(application, [])
            self._directory.listen(application, HOST, partial(self._found, application))
        self._publish()
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(table["hosts"]))

    def record_replica_metadata(self) -> dict[str, Any]:
        """Return what Serve's table says of this gateway."""
        return {"pid": os.getpid()}

    async def __del__(self) -> None:
        """Stop accepting, and finish what was accepted, within the run's limit.

        Where Serve replaces only this one, the other takes the ports meanwhile.
        """
        self._turn.leave()
        await asyncio.get_running_loop().run_in_executor(None, self._drain)

    def _drain(self) -> None:
        listened, self._listens = self._listens, False
        if listened:
            self._events.tell("drained", clean=self._core.drain(self._options.drain_s))

    async def _serve(self, hosts: list[str]) -> None:
        looks = [asyncio.create_task(self._seen[name].wait()) for name in hosts]
        if not await self._turn.come():
            return
        if looks:
            await asyncio.wait(looks, timeout=FIRST_LOOK_S)
        for attempt in range(BIND_ATTEMPTS):
            try:
                self._core.start()
                break
            except OSError as error:
                # The one before us may let its turn go before its sockets.
                if attempt == BIND_ATTEMPTS - 1:
                    self._events.tell("broken", why=str(error))
                    return
                await asyncio.sleep(BIND_PAUSE_S)
        self._listens = self._has_served = True
        self._publish()
        self._events.tell("listening", addresses=self._core.addresses(), pid=os.getpid())
        await self._all_reached()
        self._events.tell("ready")

    async def _all_reached(self) -> None:
        """Return once every version that should be ready has a host, for once.

        The core calls nobody back, and a link comes up some time after its host was found.
        """
        looks, pause = 0, SHORTEST_LOOK_S
        while True:
            stats = json.loads(self._core.stats())
            unhosted = {one["label"] for one in self._table["carried"]}
            if reached(self._table["policy"], stats, unhosted - self._carried.untried):
                return
            known = len(json.loads(endpoints(self._replicas.values())))
            rest = looks >= LOOKS and linked(stats, unhosted) >= known
            try:
                await asyncio.wait_for(self._changed.wait(), None if rest else pause)
            except TimeoutError:
                looks, pause = looks + 1, min(1.5 * pause, LONGEST_LOOK_S)
            else:
                looks, pause = 0, SHORTEST_LOOK_S
            self._changed.clear()

    def _found(self, application: str, replicas: list[Replica]) -> None:
        self._seen[application].set()
        if application in self._replicas:
            self._replicas[application] = replicas
            self._publish()

    def _publish(self) -> None:
        self._changed.set()
        if self._listens:
            self._core.set_endpoints(endpoints(self._replicas.values()))
            self._carried.want([Carriage(**one) for one in self._table["carried"]])

    def _hear_carried(self, carriage: Carriage, word: Word) -> None:
        label, standing = carriage.label, word.standing
        if word.inputs:
            inputs = [(one.name, one.datatype, list(one.shape)) for one in word.inputs]
            self._events.tell("inputs", version=label, inputs=inputs, digest=carriage.digest)
        state, reason = standing.state.value, standing.reason
        self._events.tell("moved", version=label, state=state, reason=reason, is_lost=word.is_lost)
        self._loop.call_soon_threadsafe(self._changed.set)

    def _report_errors(self) -> None:
        while (error := self._core.next_error()) is not None:
            self._events.tell("error", report=error)

    def _report_operations(self) -> None:
        while (told := self._core.next_operation()) is not None:
            self._events.tell("operation", **json.loads(told))

    def _report_demand(self) -> None:
        while (told := self._core.next_demand()) is not None:
            self._events.tell("demand", **json.loads(told))

    def _answer(self) -> None:
        core = self._core
        answers = {"stats": core.stats, "requests": core.recent, "evidence": core.evidence}
        for question in self._events.questions():
            if question in answers and self._has_served:
                self._events.tell("answer", question=question, answer=answers[question]())
            elif question.startswith(f"{PROFILES} ") and self._has_served:
                told = core.profiles(question.partition(" ")[2])
                self._events.tell("answer", question=question, answer=told)
            elif question.startswith(f"{DONE} "):
                _, number, error = question.split(" ", 2)
                self._core.finish_operation(int(number), json.loads(error))
            elif question == "drain":
                # In a thread of its own: the next question may be the run's last word.
                threading.Thread(target=self._drain, name="drain", daemon=True).start()


def reached(policy: dict[str, Any], stats: dict[str, Any], without: Set[str]) -> bool:
    """True once every version that the policy wants ready has a host that is connected.

    But for those in ``without``, by label, which may be carried by somebody who is away.
    """
    return all(
        stats["models"]
        .get(name, {})
        .get("versions", {})
        .get(str(entry["version"]), {})
        .get("hosts")
        for name, model in policy["models"].items()
        for entry in model["versions"]
        if entry["state"] == "READY" and f"{name}/{entry['version']}" not in without
    )


def linked(stats: dict[str, Any], unhosted: Set[str]) -> int:
    """Return how many hosts are connected, of all versions that have some."""
    return sum(
        row.get("hosts", 0)
        for name, model in stats["models"].items()
        for version, row in model["versions"].items()
        if f"{name}/{version}" not in unhosted
    )
