"""What the hosts of every version told of it, and how they ended."""

import threading
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from headrace.models.lifecycle import Standing, State
from headrace.models.shortage import from_json
from headrace.serve import deaths, fleet
from headrace.serve.crew import Crew
from headrace.serve.plan import Group


@dataclass(frozen=True)
class Senses:
    """What an account needs of the world."""

    #: Let a host, by its group's label and its process, load its versions, but for those named.
    begin: Callable[[str, int, Set[str]], None]
    #: Processes that the kernel has killed for want of memory.
    oom_kills: Callable[[], int]
    #: Seconds of the run's own clock.
    clock: Callable[[], float] = time.monotonic


class Accounts:
    """One for each version that is carried. Any thread may call any of this."""

    def __init__(self, crew: Crew, senses: Senses) -> None:
        self._crew = crew
        self._senses = senses
        self._lock = threading.Lock()
        self._told: dict[str, fleet.Told] = {}
        self._oom_kills = 0

    def told(self, label: str) -> fleet.Told:
        """Return what is known of a version."""
        with self._lock:
            return self._told.get(label, fleet.Told())

    def records(self) -> Mapping[str, deaths.Record]:
        """Return how the hosts of each version ended."""
        with self._lock:
            return {label: told.record for label, told in self._told.items()}

    def drop(self, label: str) -> None:
        """Forget a version that is carried no more."""
        with self._lock:
            self._told.pop(label, None)

    def begin_again(self, group: Group) -> None:
        """Note that Serve was asked for a group's hosts once more."""
        with self._lock:
            for version in group.versions:
                told = self._told.get(version.label, fleet.Told())
                self._told[version.label] = fleet.begun_again(told)

    def note(self, label: str, standing: Standing, *, is_lost: bool = False) -> None:
        """Note how a version stands that gateways carry themselves.

        ``is_lost``: it served until now, which is a death as that of a host.
        """
        with self._lock:
            told = replace(self._told.get(label, fleet.Told()), standing=standing)
            if is_lost:
                now_ms = round(time.time() * 1000)
                record = deaths.lost(told.record, self._senses.clock(), now_ms, standing.reason)
                told = replace(told, record=record)
            self._told[label] = told

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a host of the group ``label`` told."""
        group = self._crew.group(label)
        if group is None:
            return
        pid = int(facts.get("pid", 0))
        with self._lock:
            told = {one.label: self._told.get(one.label, fleet.Told()) for one in group.versions}
            # Every death is one of all that its process carried.
            record = next(iter(told.values())).record
            match facts["event"]:
                case "moved" if facts["version"] in told:
                    standing = self._standing(facts)
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
                    pause_s = deaths.pause_s(record, self._senses.clock())
                    told = {name: replace(one, pause_s=pause_s) for name, one in told.items()}
                    without = {name for name, one in told.items() if fleet.left_out(one)}
                    self._let_begin(group, pid, pause_s, without)
            self._told |= told

    def _standing(self, facts: Mapping[str, Any]) -> Standing:
        """Return what a host said of a version; of a shortage what hosts of this run have."""
        short = from_json(facts.get("short"))
        processes = {label: one.ready | one.loading for label, one in self._told.items()}
        ours = None if short is None else short.of(processes)
        return Standing(State(facts["state"]), str(facts["reason"]), ours)

    def _mourn(self, record: deaths.Record, pid: int) -> deaths.Record:
        kills = self._senses.oom_kills()
        no_memory, self._oom_kills = kills > self._oom_kills, kills
        now_ms = round(time.time() * 1000)
        return deaths.died(record, pid, self._senses.clock(), now_ms, no_memory=no_memory)

    def _let_begin(self, group: Group, pid: int, pause_s: float, without: Set[str]) -> None:
        self._oom_kills = self._senses.oom_kills()
        if not pause_s:
            self._senses.begin(group.label, pid, without)
            return
        timer = threading.Timer(pause_s, self._senses.begin, (group.label, pid, without))
        timer.daemon = True
        timer.start()
