"""The versions that one process carries, brought to what is wanted while it serves."""

import queue
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from headrace.control.engine import Assignment, Beginning, Divisions
from headrace.control.reconcile import DRAIN_S, LEAVING, Do, Held, Seen, step
from headrace.execution import threads
from headrace.execution.core import CoreHost
from headrace.execution.policy import Epoch, table
from headrace.execution.runner import Runner
from headrace.execution.voices import OURSELVES, Sink, line
from headrace.local.upstream import Dial, UpstreamRunner
from headrace.models.lifecycle import ON_THE_WAY, Standing, State
from headrace.repository.folder import Version

#: Between two looks at the calls of a version that is to end; it grows to the longest.
SHORTEST_LOOK_S: Final = 0.05
LONGEST_LOOK_S: Final = 1.0


@dataclass(frozen=True)
class Around:
    """What versions are carried with."""

    host: CoreHost
    #: Takes the gateway's table, as JSON.
    apply: Callable[[str], None]
    #: How many calls of each version, by label, wait or run.
    calls: Callable[[], Mapping[str, int]]
    sink: Sink
    budget: threads.Budget
    #: For versions that other servers have.
    dial: Dial
    #: How many threads a lane has, if the operator says so.
    told: int | None = None


@dataclass
class Carried:
    """One version, from the moment that it is asked for until nothing of it is left."""

    runner: Runner | UpstreamRunner
    held: Held
    #: Seconds for which it has been quiet, and whether it has ended.
    quiet_s: float = 0.0
    gone: bool = False


class Carrying:
    """Any thread may call any of this; a thread of its own does what takes time."""

    def __init__(self, around: Around, beginning: Beginning) -> None:
        self._around = around
        self._term = beginning.term
        self._aim: tuple[Sequence[Assignment], Divisions] = (
            beginning.assignments,
            beginning.divisions,
        )
        #: Called with how versions stand, whenever that may have changed.
        self.stood: Callable[[Mapping[str, Standing]], None] = lambda standings: None
        #: Of the table, and of what it says.
        self._lock = threading.RLock()
        self._sequence = 0
        self._reason = threading.Event()
        #: What is to be loaded, and who of those is to end; one after the other, for each has the
        #: whole machine to load with.
        self._turns: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._carried: dict[str, Carried] = {}
        self.budget = around.budget
        for one in beginning.assignments:
            self._carry(one)
        self._first = list(self._carried.values())

    @property
    def runners(self) -> list[Runner | UpstreamRunner]:
        """Of every version, in the order of models and versions."""
        with self._lock:
            found = [one.runner for one in self._carried.values()]
        return sorted(found, key=lambda one: (one.version.model, one.version.number))

    def standings(self) -> dict[str, Standing]:
        """As `headrace.control.engine.Engine` has it."""
        with self._lock:
            return {label: _standing(one) for label, one in self._carried.items()}

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        """As `headrace.control.engine.Engine` has it."""
        self._aim = assignments, divisions
        # Traffic moves at once; who is to come or go takes its time.
        self.publish()
        self._reason.set()

    def catch_up(self, limit_s: float) -> bool:
        """As `headrace.control.engine.Engine` has it: the gateway is told at once."""
        return True

    def load_first(self) -> list[Runner | UpstreamRunner]:
        """Load what the run begins with; return those that serve. Called once, before `begin`."""
        self.publish()
        for one in self._first:
            self._start(one)
        return [one.runner for one in self._first if one.runner.standing.state is State.READY]

    def begin(self) -> None:
        """Bring about what is wanted, from now on."""
        threading.Thread(target=self._take_turns, name="loads", daemon=True).start()
        threading.Thread(target=self._run, name="control", daemon=True).start()
        self._reason.set()

    def publish(self) -> None:
        """Give the gateway the table of this moment."""
        with self._lock:
            self._sequence += 1
            models: dict[str, dict[int, Standing]] = {}
            for one in self._carried.values():
                version = one.runner.version
                models.setdefault(version.model, {})[version.number] = _standing(one)
            epoch = Epoch(self._term, self._sequence)
            self._around.apply(table(epoch, models, divided=self._aim[1]))

    def _carry(self, one: Assignment) -> Carried:
        version = one.version
        with self._lock:
            if version.label not in self.budget.lanes:
                versions = [*(held.runner.version for held in self._carried.values()), version]
                lanes = [threads.lanes_of(one, 1) for one in versions]
                self.budget = threads.joined(self.budget, lanes, self._around.told)
            runner = self._runner(version)
            carried = self._carried[version.label] = Carried(runner, Held(one.asked))
        return carried

    def _runner(self, version: Version) -> Runner | UpstreamRunner:
        around = self._around
        if version.backend == "upstream":
            return UpstreamRunner(version, around.dial, around.sink, self._moved)
        count = self.budget.lanes[version.label]
        return Runner(version, around.host, around.sink, self._moved, threads=count)

    def _moved(self, _: Standing) -> None:
        self.publish()
        self._reason.set()

    def _take_turns(self) -> None:
        while True:
            self._turns.get()()

    def _start(self, one: Carried) -> None:
        try:
            one.runner.start()
        except Exception as error:
            # Such as a table that the gateway refuses: the versions after this one still load.
            self._complain(one.runner.version.label, error)

    def _complain(self, speaker: str, error: Exception) -> None:
        text = "".join(traceback.format_exception(error)).rstrip()
        self._around.sink(line(speaker, "err", text))

    def _run(self) -> None:
        pause: float | None = None
        while True:
            heard = self._reason.wait(pause)
            self._reason.clear()
            try:
                self.stood(self.standings())
                waits = self._once(0.0 if pause is None else pause)
            except Exception as error:
                waits = False
                self._complain(OURSELVES, error)
            grown = min(1.5 * (pause or SHORTEST_LOOK_S), LONGEST_LOOK_S)
            pause = None if not waits else SHORTEST_LOOK_S if heard else grown

    def _once(self, passed_s: float) -> bool:
        """Take every step that can be taken; True while one waits for calls to finish."""
        wanted = {one.version.label: one for one in self._aim[0]}
        calls = self._around.calls()
        changed = False
        for label in sorted({*wanted, *self._carried}):
            one, carried = wanted.get(label), self._carried.get(label)
            if carried is not None and carried.held.quiet_since is not None:
                carried.quiet_s += passed_s
            seen = Seen(
                acknowledged=self._sequence,
                busy=calls.get(label, 0) > 0 and (carried is None or carried.quiet_s < DRAIN_S),
                gone=carried is not None and carried.gone,
            )
            do = step(
                None if one is None else one.asked, None if carried is None else carried.held, seen
            )
            if carried is None and one is not None and do is Do.CARRY:
                self._turns.put(partial(self._start, self._carry(one)))
                changed = True
            elif carried is not None and do is not None:
                self._go_on(do, label, carried)
                changed = True
        if changed:
            self._reason.set()
        # Shares may be others than before.
        self.publish()
        return any(one.held.quiet_since is not None for one in self._carried.values())

    def _go_on(self, do: Do, label: str, carried: Carried) -> None:
        with self._lock:
            match do:
                case Do.QUIET:
                    held = replace(carried.held, quiet_since=self._sequence + 1)
                    carried.held, carried.quiet_s = held, 0.0
                case Do.RECALL:
                    carried.held = replace(carried.held, quiet_since=None)
                case Do.LET_GO:
                    carried.held = replace(carried.held, ends=True)
                    end = partial(self._end, carried)
                    if carried.runner.standing.state in ON_THE_WAY:
                        self._turns.put(end)
                    else:
                        threading.Thread(target=end, name="unload", daemon=True).start()
                case Do.FORGET:
                    del self._carried[label]

    def _end(self, carried: Carried) -> None:
        carried.runner.stop(DRAIN_S)
        carried.gone = True
        self._reason.set()


def _standing(one: Carried) -> Standing:
    return one.runner.standing if one.held.quiet_since is None else LEAVING
