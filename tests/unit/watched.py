"""What Serve would say to a watch, and what a watch does."""

import threading
from collections.abc import Mapping, Set

from headrace.control.engine import Assignment, Beginning
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version
from headrace.serve import fleet
from headrace.serve.accounts import Accounts, Senses
from headrace.serve.crew import Crew
from headrace.serve.gateway import Table
from headrace.serve.steps import Hands, Steps
from headrace.serve.watch import Reach, Watch

RUNNING = {"gateway": fleet.Application("RUNNING", {"RUNNING": 1})}


class Serve:
    """What Serve would say, and whether it was asked."""

    def __init__(self, applications: Mapping[str, fleet.Application]) -> None:
        self.applications = applications
        self.asked = threading.Semaphore(0)
        self.broken: list[str] = []
        self.silences: list[str] = []
        self.evicted: list[str] = []
        #: The hosts that were told of, with every change.
        self.hosts: list[int] = []
        self.tables: list[Table] = []
        self.again: list[tuple[str, int]] = []
        self.begun: list[tuple[str, int, Set[str]]] = []
        #: Groups that Serve was asked for, since it did not name their application.
        self.started: list[str] = []
        self.oom_kills = 0
        self.gpus = 0.0
        self.rested = threading.Event()
        #: What a look and a publish that has taken effect raise, the next one first.
        self.odd: list[Exception] = []
        self.late: list[Exception] = []

    @property
    def published(self) -> list[int]:
        return [table["policy"]["epoch"]["sequence"] for table in self.tables]

    def look(self) -> Mapping[str, fleet.Application]:
        applications = self.applications
        # From here on the test may change them: this look is over.
        self.asked.release()
        if self.odd:
            raise self.odd.pop(0)
        if not applications:
            raise LookupError("no controller")
        return applications

    def watch(self, *versions: Version) -> Watch:
        def changed(standings: Mapping[str, Standing]) -> None:
            self.hosts.append(sum(one.running for one in watching.applications.values()))

        def publish(table: Table) -> None:
            self.tables.append(table)
            if self.late:
                raise self.late.pop(0)

        reach = Reach(
            look=self.look,
            publish=publish,
            changed=changed,
            evict=lambda label, why: self.evicted.append(f"{label} {why}"),
            again=lambda group, times: self.again.append((group.label, times)),
            broken=self.broken.append,
            lost=(LookupError,),
            silent=lambda error: self.silences.append(str(error)),
            rest=self.rested.set,
            gateway="gateway",
            gpus=self.gpus,
        )
        senses = Senses(
            begin=lambda label, pid, without: self.begun.append((label, pid, without)),
            oom_kills=lambda: self.oom_kills,
        )
        crew = Crew(versions, cpus=2)
        self.accounts = Accounts(crew, senses)
        hands = Hands(
            start=lambda groups: self.started.extend(group.label for group in groups),
            end=lambda group: None,
            join=lambda version: None,
            leave=lambda version: None,
            used=dict,
        )
        beginning = Beginning([Assignment(one) for one in versions])
        steps = Steps(crew, self.accounts, hands, beginning.assignments)
        watching = Watch(crew, self.accounts, steps, reach, beginning)
        return watching
