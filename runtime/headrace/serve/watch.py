"""Looks at Serve when there is reason to, judges every version, and has the next steps taken."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.control.engine import Assignment, Beginning, Divisions
from headrace.control.reconcile import LEAVING
from headrace.execution.policy import Epoch
from headrace.models.lifecycle import Standing, State
from headrace.registry.redacting import trace
from headrace.serve import fleet
from headrace.serve.accounts import Accounts
from headrace.serve.crew import Crew
from headrace.serve.gateway import Table
from headrace.serve.plan import Group, Routes, routing
from headrace.serve.steps import Steps
from headrace.serve.unhosted import Unhosted

#: Between two looks at Serve while something is under way; it grows to the longest. Nobody looks
#: while nothing is.
SHORTEST_LOOK_S: Final = 0.2
LONGEST_LOOK_S: Final = 5.0
#: From when nothing is under way until what comes next is made ready, which takes a processor more
#: than a second: who was just given traffic has its first requests then, and who had it ends.
REST_S: Final = 1.0
#: Looks without an answer, some ten seconds: a controller that is restarted needs one or two. What
#: fails in another way as often will not mend itself.
LONG_SILENCE: Final = 8


@dataclass(frozen=True)
class Reach:
    """What a watch calls; all of it may wait for Ray."""

    #: Raises one of `lost` while Serve's controller is away.
    look: Callable[[], Mapping[str, fleet.Application]]
    #: Give gateways a table.
    publish: Callable[[Table], None]
    changed: Callable[[Mapping[str, Standing]], None]
    #: Have a version unloaded, which others need the memory of, and say why.
    evict: Callable[[str, str], None]
    #: Ask Serve for a group's hosts once more; the count tells one time from another.
    again: Callable[[Group, int], None]
    #: No gateway could start, or hosts cannot be followed any more: the run is to end.
    broken: Callable[[str], None]
    lost: tuple[type[Exception], ...]
    #: Serve has not answered for long: once for each silence.
    silent: Callable[[Exception], None]
    #: Nothing has been under way for a while: make ready for what comes next.
    rest: Callable[[], None]
    #: The application that gateways are.
    gateway: str
    #: How many GPUs Ray has.
    gpus: float


class Watch:
    """A thread, so that nobody else waits for Ray."""

    def __init__(
        self, crew: Crew, accounts: Accounts, steps: Steps, reach: Reach, beginning: Beginning
    ) -> None:
        """``beginning`` is what the crew carries already."""
        self._crew = crew
        self._accounts = accounts
        self._steps = steps
        self._unhosted = Unhosted(crew, accounts)
        self._reach = reach
        self._term = beginning.term
        #: Replaced as one, never changed.
        self._aim: tuple[Sequence[Assignment], Divisions] = (
            beginning.assignments,
            beginning.divisions,
        )
        self._reason = threading.Event()
        #: Every gateway has the table of what is wanted.
        self._caught_up = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._sequence = 1
        self._begun_again = 0
        self._served: frozenset[str] = frozenset()
        #: As it was published last, of sequence 0; None before there was anything to publish.
        self._published: Table | None = None
        #: As hosts and Serve have them stand; `standings` has those that wait for room, too.
        self._judged: Mapping[str, Standing] = {}
        #: Process of a gateway → the last table that it has.
        self._acknowledged: dict[int, int] = {}
        #: What makes ready for what comes next has failed, and was said to.
        self._rests_badly = False
        #: A gateway came up, once.
        self._has_served = False
        #: Read by other threads; replaced, never changed.
        self.standings: Mapping[str, Standing] = {}
        self.applications: Mapping[str, fleet.Application] = {}
        #: The table that gateways begin with, and the same of sequence 0.
        self.first = self._table(self._sequence, beginning.divisions)
        self._first = self._table(0, beginning.divisions)

    def start(self) -> None:
        """Begin to look."""
        self._reason.set()
        self._thread.start()

    def stop(self, limit_s: float) -> None:
        """Look no more: who asks Serve after Ray has gone makes it start another.

        A look that waits for what is gone is left behind after `limit_s`.
        """
        self._stopped = True
        self._reason.set()
        if self._thread.is_alive():
            self._thread.join(limit_s)

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        """Bring about this instead of what was wanted before; any thread may call this."""
        # In this order: a look that goes on by the aim before does not say that this is reached.
        self._aim = (assignments, divisions)
        self._caught_up.clear()
        self._reason.set()

    def catch_up(self, limit_s: float) -> bool:
        """As `headrace.control.engine.Engine` has it; any thread may call this."""
        return self._caught_up.wait(limit_s)

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a host or gateway told; any thread may call this."""
        if label == self._reach.gateway:
            self._hear_gateway(int(facts.get("pid", 0)), facts)
        else:
            self._accounts.hear(label, facts)
        self._reason.set()

    def _hear_gateway(self, pid: int, facts: Mapping[str, Any]) -> None:
        match facts["event"]:
            case "here":
                self._acknowledged[pid] = 0
            case "applied" if facts["term"] == self._term:
                self._acknowledged[pid] = int(facts["sequence"])
                self._has_served = True
            case "moved":
                standing = Standing(State(facts["state"]), str(facts["reason"]))
                self._accounts.note(facts["version"], standing, is_lost=facts["is_lost"])
            case "demand":
                self._crew.demand.call(f"{facts['model']}/{facts['version']}")
            case "gone":
                self._acknowledged.pop(pid, None)

    def _run(self) -> None:
        pause: float | None = None
        silence, was_quiet = 0, False
        while True:
            heard = self._reason.wait(pause)
            self._reason.clear()
            if self._stopped:
                return
            try:
                quiet = self._once()
            except Exception as error:
                if self._stopped:
                    return
                # Serve's controller is being restarted: nothing is known, and it is asked again.
                quiet = False
                silence += 1
                if silence >= LONG_SILENCE and not isinstance(error, self._reach.lost):
                    self._reach.broken(f"hosts cannot be followed any more:\n{trace(error)}")
                    return
                if silence == LONG_SILENCE:
                    self._reach.silent(error)
            else:
                silence = 0
            rests = quiet and was_quiet and not heard
            if rests:
                self._rest()
            pause = None if rests else _pause(pause, quiet=quiet, heard=heard)
            was_quiet = quiet

    def _once(self) -> bool:
        """Look, judge, tell, and take the next steps; True when nothing is under way."""
        applications = self._reach.look()
        gateway = applications.get(self._reach.gateway)
        given_up = gateway is not None and gateway.status == "DEPLOY_FAILED"
        if gateway is not None and given_up and not self._has_served:
            why = fleet.last_line(gateway.message) or "Serve does not say why"
            self._reach.broken(f"the gateway could not start: {why}")
        aim = wanted, divisions = self._aim
        # What a gateway has that is only coming is not known: every one of them must have said so.
        has = min(list(self._acknowledged.values()), default=self._sequence)
        under_way = self._steps.take(wanted, applications, has, self._sequence + 1, self._judged)
        for label, why in self._crew.demand.evictions.items():
            self._reach.evict(label, why)
        quiet = self._judge(applications) and not under_way
        table = self._table(0, divisions)
        # The first time that all is quiet is published too: with it a second gateway comes to
        # stand by.
        # To Serve a gateway that dies as a table comes is one that cannot be deployed: told anew.
        told = table == (self._published or self._first) and not given_up
        if not told or (quiet and self._published is None):
            # Before: a call that raised may have taken effect, and gateways refuse a second table
            # of the same sequence.
            self._sequence += 1
            self._reach.publish(self._table(self._sequence, divisions))
            self._published = table
        elif has >= self._sequence and aim is self._aim:
            self._caught_up.set()
        return quiet and not given_up

    def _rest(self) -> None:
        """Make ready for what comes next; whatever that meets, nothing depends on it."""
        try:
            self._reach.rest()
        except Exception as error:
            if not self._rests_badly:
                self._reach.silent(error)
            self._rests_badly = True

    def _judge(self, applications: Mapping[str, fleet.Application]) -> bool:
        """Find out where every version stands; True when nobody is on the way or lost."""
        leaving = self._steps.quiet
        seen = [
            (
                version,
                group,
                applications.get(group.application),
                self._accounts.told(version.label),
            )
            for version, group in self._crew.members
            if group is not None
        ]
        judged = self._judged = {
            version.label: LEAVING
            if version.label in leaving
            else fleet.judge(application, said, group.placement.gpus, self._reach.gpus)
            for version, group, application, said in seen
        } | {
            one.label: LEAVING if one.label in leaving else self._unhosted.standing(one.label)
            for one in self._crew.unhosted
        }
        standings = self._crew.demand.told(self._aim[0], judged)
        # How many hosts there are changes without a change of where their version stands.
        changed = (standings, applications) != (self.standings, self.applications)
        self.standings, self.applications = standings, applications
        ready = {label for label, one in standings.items() if one.state is State.READY}
        self._served |= ready
        if changed:
            self._reach.changed(standings)
        there = self._reach.gpus
        stay = [
            one
            for one in seen
            if one[0].label not in leaving and not fleet.impossible(one[1].placement.gpus, there)
        ]
        given_up = {
            group.label: group
            for _, group, application, said in stay
            if fleet.given_up(application, said)
        }
        for group in given_up.values():
            self._begun_again += 1
            self._reach.again(group, self._begun_again)
            self._accounts.begin_again(group)
        # Whether a version that was refused is to wait is found at the next look.
        decided = all(standings[label].state is one.state for label, one in judged.items())
        return decided and all(fleet.settled(application, said) for *_, application, said in stay)

    def _table(self, sequence: int, divisions: Divisions) -> Table:
        standby = self._crew.demand.standby(self._aim[0])
        routes = Routes(
            self._crew.groups,
            divisions,
            self._steps.quiet,
            self._served,
            standby,
            self._crew.unhosted,
            self._unhosted.carriages(),
        )
        return routing(routes, self.standings, Epoch(self._term, sequence))


def _pause(before: float | None, *, quiet: bool, heard: bool) -> float:
    """Return the seconds until the next look, after one that found quiet, or heard something."""
    if quiet:
        return REST_S
    if heard or before is None:
        return SHORTEST_LOOK_S
    return min(1.5 * before, LONGEST_LOOK_S)
