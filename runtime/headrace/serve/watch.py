"""Keeps the account of every version, and tells gateways which ones failed."""

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.models.lifecycle import Standing, State
from headrace.serve import deaths, fleet
from headrace.serve.gateway import Table
from headrace.serve.plan import Group, Plan, routing

#: Between two looks at Serve while something is under way; it grows to the longest. Nobody looks
#: while nothing is.
SHORTEST_LOOK_S: Final = 0.2
LONGEST_LOOK_S: Final = 5.0
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
    #: Let a host, by its group's label and its process, load its versions, but for those named.
    begin: Callable[[str, int, Set[str]], None]
    #: Processes that the kernel has killed for want of memory.
    oom_kills: Callable[[], int]
    #: Ask Serve for a group's hosts once more; the count tells one time from another.
    again: Callable[[Group, int], None]
    #: No gateway could start, or hosts cannot be followed any more: the run is to end.
    broken: Callable[[str], None]
    lost: tuple[type[Exception], ...]
    #: Serve has not answered for long: once for each silence.
    silent: Callable[[Exception], None]
    #: The application that gateways are.
    gateway: str


class Watch:
    """A thread that looks at Serve when there is reason to, so that nobody else waits for Ray."""

    def __init__(
        self, plan: Plan, reach: Reach, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._plan = plan
        self._reach = reach
        self._clock = clock
        self._oom_kills = 0
        self._groups = {group.label: group for group in plan.groups}
        self._told = {version.label: fleet.Told() for version, _ in plan.members}
        self._lock = threading.Lock()
        self._reason = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._sequence = 1
        self._begun_again = 0
        self._served: frozenset[str] = frozenset()
        #: Of sequence 0, to be compared; None before there was anything to publish.
        self._published: Table | None = None
        #: Read by other threads; replaced, never changed.
        self.standings: Mapping[str, Standing] = {}
        self.applications: Mapping[str, fleet.Application] = {}

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

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a host of the group ``label`` told; any thread may call this."""
        group = self._groups.get(label)
        if group is None:
            return
        pid = int(facts.get("pid", 0))
        with self._lock:
            told = {one.label: self._told[one.label] for one in group.versions}
            # Every death is one of all that its process carried.
            record = next(iter(told.values())).record
            match facts["event"]:
                case "moved":
                    standing = Standing(State(facts["state"]), str(facts["reason"]))
                    told = {name: replace(one, pause_s=0) for name, one in told.items()}
                    name = facts["version"]
                    told[name] = fleet.moved(told[name], standing, pid)
                case "words":
                    record = deaths.heard(record, pid, facts["why"])
                    told = {name: replace(one, record=record) for name, one in told.items()}
                case "gone":
                    if not all(map(fleet.expected, told.values())):
                        record = self._mourn(record, pid)
                    told = {
                        name: fleet.gone(one, pid, record, shared=group.is_shared)
                        for name, one in told.items()
                    }
                case "here":
                    pause_s = deaths.pause_s(record, self._clock())
                    told = {name: replace(one, pause_s=pause_s) for name, one in told.items()}
                    without = {name for name, one in told.items() if fleet.left_out(one)}
                    self._let_begin(group, pid, pause_s, without)
            self._told |= told
        self._reason.set()

    def records(self) -> Mapping[str, deaths.Record]:
        """Return how the hosts of each version ended; any thread may call this."""
        with self._lock:
            return {label: told.record for label, told in self._told.items()}

    def _mourn(self, record: deaths.Record, pid: int) -> deaths.Record:
        kills = self._reach.oom_kills()
        no_memory, self._oom_kills = kills > self._oom_kills, kills
        now_ms = round(time.time() * 1000)
        return deaths.died(record, pid, self._clock(), now_ms, no_memory=no_memory)

    def _let_begin(self, group: Group, pid: int, pause_s: float, without: Set[str]) -> None:
        self._oom_kills = self._reach.oom_kills()
        if not pause_s:
            self._reach.begin(group.label, pid, without)
            return
        timer = threading.Timer(pause_s, self._reach.begin, (group.label, pid, without))
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        pause: float | None = None
        silence = 0
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
                    self._reach.broken(f"hosts cannot be followed any more:\n{_trace(error)}")
                    return
                if silence == LONG_SILENCE:
                    self._reach.silent(error)
            else:
                silence = 0
            if quiet:
                pause = None
            elif heard or pause is None:
                pause = SHORTEST_LOOK_S
            else:
                pause = min(1.5 * pause, LONGEST_LOOK_S)

    def _once(self) -> bool:
        """Look, judge and tell; True when nothing is under way."""
        applications = self._reach.look()
        gateway = applications.get(self._reach.gateway)
        if gateway is not None and gateway.status == "DEPLOY_FAILED":
            why = fleet.last_line(gateway.message) or "Serve does not say why"
            self._reach.broken(f"the gateway could not start: {why}")
        with self._lock:
            told = dict(self._told)
        seen = [
            (version, group, applications.get(group.application), told[version.label])
            for version, group in self._plan.members
        ]
        standings = {
            version.label: fleet.judge(application, said, group.placement.gpus)
            for version, group, application, said in seen
        }
        # How many hosts there are changes without a change of where their version stands.
        changed = (standings, applications) != (self.standings, self.applications)
        self.standings, self.applications = standings, applications
        if changed:
            self._reach.changed(standings)
        quiet = all(fleet.settled(application, said) for *_, application, said in seen)
        given_up = {
            group.label: group
            for _, group, application, said in seen
            if fleet.given_up(application, said)
        }
        for group in given_up.values():
            self._begin_again(group)
        ready = {label for label, one in standings.items() if one.state is State.READY}
        self._served |= ready
        table = routing(self._plan.groups, standings, self._served, sequence=0)
        known = self._published or routing(self._plan.groups, {}, sequence=0)
        # The first time that all is quiet is published too: with it a second gateway comes to
        # stand by.
        if table != known or (quiet and self._published is None):
            # Before: a call that raised may have taken effect, and gateways refuse a second table
            # of the same sequence.
            self._sequence += 1
            self._reach.publish(routing(self._plan.groups, standings, self._served, self._sequence))
            self._published = table
        return quiet

    def _begin_again(self, group: Group) -> None:
        self._begun_again += 1
        self._reach.again(group, self._begun_again)
        with self._lock:
            for version in group.versions:
                self._told[version.label] = fleet.begun_again(self._told[version.label])


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
