"""The versions that one process carries, brought to what is wanted while it serves."""

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from headrace.control.demand import NONE, Demand, Usage
from headrace.control.engine import Assignment, Beginning, Divisions, by_model
from headrace.control.reconcile import DRAIN_S, Do, Held, Seen, step
from headrace.execution import threads
from headrace.execution.policy import Epoch, table
from headrace.execution.runner import Runner
from headrace.execution.voices import OURSELVES, line
from headrace.local.around import Around
from headrace.local.carried import Carried
from headrace.local.turns import Turns
from headrace.local.unhosted import UnhostedRunner
from headrace.models.lifecycle import ON_THE_WAY, Standing, State
from headrace.repository.folder import Version
from headrace.repository.instances import original

#: Between two looks at the calls of a version that is to end; it grows to the longest.
SHORTEST_LOOK_S: Final = 0.05
LONGEST_LOOK_S: Final = 1.0
#: Times as long as a table took pass before the next one, while versions are loaded at the start.
PAUSES: Final = 9.0


class Carrying:
    """Any thread may call any of this; a thread of its own does what takes time."""

    def __init__(
        self, around: Around, beginning: Beginning, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._around = around
        self._term = beginning.term
        self._aim = beginning.assignments, beginning.divisions
        #: Called with how versions stand, whenever that may have changed.
        self.stood: Callable[[Mapping[str, Standing]], None] = lambda standings: None
        #: Called with a version that is to be unloaded for others, and with why.
        self.evict: Callable[[str, str], None] = lambda label, why: None
        #: Of the table, and of what it says.
        self._lock = threading.RLock()
        self._sequence = 0
        #: Before that `load_first` alone moves versions, and tells of those when it is due.
        self._begun = False
        self._due = 0.0
        #: What the gateway's table says; None where that is not known.
        self._published: tuple[object, ...] | None = None
        self._reason = threading.Event()
        #: What is to be loaded, and who of those is to end.
        self._turns = Turns()
        self._carried: dict[str, Carried] = {}
        self.budget = around.budget
        self._demand = Demand(around.max_loaded, clock)
        for one in self._demand.carried(beginning.assignments, {}, {}, {}):
            self._carry(one)
        self._first = list(self._carried.values())

    @property
    def runners(self) -> list[Runner | UnhostedRunner]:
        """Of every version, in the order of models and versions."""
        with self._lock:
            found = [one.runner for one in self._carried.values()]
        return sorted(found, key=lambda one: (one.version.model, one.version.number))

    def held(self, model: str) -> tuple[list[Version], str, dict[str, str]]:
        """Return the versions, ``model`` and digests of files, as `compare` takes them."""
        runners = self.runners
        digests = {one.version.label: one.digest for one in runners}
        return [one.version for one in runners], model, digests

    def digest(self, label: str) -> str:
        """Return that of the files that a version was loaded from; empty before that."""
        return self.held("")[2].get(label, "")

    def standings(self) -> dict[str, Standing]:
        """As `headrace.control.engine.Engine` has it."""
        return self._standings(told=False)

    def _standings(self, *, told: bool) -> dict[str, Standing]:
        """``told``: as the gateway is told."""
        with self._lock:
            carried = self._carried.items()
            here = {label: one.told if told else one.standing for label, one in carried}
            return self._demand.told(self._aim[0], here)

    def losses(self) -> dict[str, int]:
        """Return how often each version that the gateway carries itself was lost, by label."""
        with self._lock:
            return {label: one.losses for label, one in self._carried.items()}

    @property
    def standby(self) -> list[Version]:
        """Those of which nothing is here: they wait to be asked for, or for room."""
        with self._lock:
            there = set(self.standings()) - set(self._carried)
            return [one.version for one in self._aim[0] if one.version.label in there]

    def call(self, label: str) -> None:
        """Have a version loaded that a request asks for."""
        if self._demand.call(label):
            self._reason.set()

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        """As `headrace.control.engine.Engine` has it."""
        self._aim = assignments, divisions
        # Traffic moves at once; who is to come or go takes its time.
        self.publish()
        self._reason.set()

    def catch_up(self, limit_s: float) -> bool:
        """As `headrace.control.engine.Engine` has it: the gateway is told at once."""
        return True

    def load_first(self) -> list[Runner | UnhostedRunner]:
        """Load what the run begins with; return those that serve. Called once, before `begin`."""
        self.publish()
        # What others answer together is ready at once where those are told.
        for hosted in (True, False):
            for one in (one for one in self._first if one.runner.version.is_hosted is hosted):
                self._start(one)
            self._tell()
        return [one.runner for one in self._first if one.runner.standing.state is State.READY]

    def begin(self) -> None:
        """Bring about what is wanted, from now on."""
        self._begun = True
        self._turns.begin()
        threading.Thread(target=self._run, name="control", daemon=True).start()
        self._reason.set()

    def publish(self) -> None:
        """Give the gateway the table of this moment."""
        with self._lock:
            wanted, divisions = self._aim
            models = by_model(self._standings(told=True))
            said = models, divisions, self._demand.labels(wanted)
            if said == self._published:
                return
            # Of many versions each that moves has all told anew: only where it is something else.
            self._published, self._sequence = None, self._sequence + 1
            epoch = Epoch(self._term, self._sequence)
            self._around.apply(table(epoch, models, divided=divisions, on_demand=said[2]))
            self._published = said

    def _carry(self, one: Assignment) -> Carried:
        version = one.version
        with self._lock:
            if version.label not in self.budget.lanes:
                versions = [*(held.runner.version for held in self._carried.values()), version]
                lanes = [threads.lanes_of(one, 1) for one in versions]
                self.budget = threads.joined(self.budget, lanes, self._around.told)
            count = self.budget.lanes[version.label]
            runner = self._around.runner(version, count, self._moved)
            carried = self._carried[version.label] = Carried(runner, Held(one.asked))
        return carried

    def _moved(self, _: Standing) -> None:
        if self._begun:
            self._reason.set()
        elif self._clock() >= self._due:
            began = self._clock()
            self._tell()
            # A table is of all versions, and each of them moves: no more than a part of the time
            # that they need goes into tables.
            self._due = self._clock() + PAUSES * (self._clock() - began)

    def _tell(self) -> None:
        try:
            self.publish()
        except Exception as error:
            # A table that the gateway refuses, perhaps for another version than is in its turn.
            self._complain(OURSELVES, error)

    def _start(self, one: Carried) -> None:
        try:
            label = one.runner.version.label
            # A control runs the files of its version.
            one.runner.start("" if original(label) == label else self.digest(original(label)))
        except Exception as error:
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
        looks = any(one.held.quiet_since is not None for one in self._carried.values())
        used = self._around.used() if looks or self._demand.asks(self._aim[0]) else None
        held = {label: one.held for label, one in self._carried.items()}
        standings = {label: one.own_standing for label, one in self._carried.items()}
        carried_now = self._demand.carried(self._aim[0], held, standings, used)
        for label, why in self._demand.evictions.items():
            self.evict(label, why)
        wanted = {one.version.label: one for one in carried_now}
        changed = False
        for label in sorted({*wanted, *self._carried}):
            one, carried = wanted.get(label), self._carried.get(label)
            if carried is not None and carried.held.quiet_since is not None:
                carried.quiet_s += passed_s
            seen = Seen(
                acknowledged=self._sequence,
                busy=self._is_busy(label, carried, used or {}),
                gone=carried is not None and carried.gone,
            )
            do = step(
                None if one is None else one.asked, None if carried is None else carried.held, seen
            )
            if carried is None and one is not None and do is Do.CARRY:
                self._turns.put(label, partial(self._start, self._carry(one)))
                changed = True
            elif carried is not None and do is not None:
                self._go_on(do, label, carried)
                changed = True
        if changed:
            self._reason.set()
        # Shares may be others than before.
        self.publish()
        leaving = any(one.held.quiet_since is not None for one in self._carried.values())
        return leaving or self._demand.is_awaited

    def _is_busy(self, label: str, carried: Carried | None, used: Mapping[str, Usage]) -> bool:
        if self._demand.waits_for_room(label) or (carried is not None and carried.is_late):
            return False
        return used.get(label, NONE).taken > 0

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
                        self._turns.end(label, end)
                    else:
                        threading.Thread(target=end, name="unload", daemon=True).start()
                case Do.FORGET:
                    del self._carried[label]

    def _end(self, carried: Carried) -> None:
        carried.runner.stop(DRAIN_S)
        carried.gone = True
        self._reason.set()
