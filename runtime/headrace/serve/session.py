"""One run on Ray: brought up, watched, and ended."""

import queue
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any, Final

from headrace.console.board import loading, unfinished
from headrace.control.engine import Assignment, Beginning, Divisions
from headrace.errors import HeadraceError
from headrace.execution.ending import FINISHING, awaited, ended_by
from headrace.execution.reminder import Reminder
from headrace.models.lifecycle import Standing, State
from headrace.serve import standstill
from headrace.serve.accounts import Accounts, Senses
from headrace.serve.asking import Asking
from headrace.serve.board import RunBoard
from headrace.serve.changing import Changing
from headrace.serve.cluster import Cluster
from headrace.serve.crew import Crew
from headrace.serve.memory import oom_kills
from headrace.serve.message import Message
from headrace.serve.places import Places, ray_environment
from headrace.serve.plan import Plan
from headrace.serve.standstill import Watched
from headrace.serve.steps import Hands, Steps
from headrace.serve.turn import forbid
from headrace.serve.unhosted import awaited_of
from headrace.serve.watch import Reach, Watch

#: Beyond the drain's own limit: for the word to reach a busy gateway, and its answer us.
GRACE_S: Final = 2.0
#: For Ray's own farewell; without it Ray looks, loudly and for seconds, for what has ended.
LEAVE_S: Final = 2.0
#: Of an error of Ray's; some bring a page.
MOST_CHARACTERS: Final = 500


class Session:
    """A run. One thread decides, the one in `run`; all others only send it messages."""

    def __init__(
        self,
        plan: Plan,
        crew: Crew,
        beginning: Beginning,
        places: Places,
        console: str,
    ) -> None:
        """``crew`` carries what the ``beginning`` assigns, as far as its demand has it carried."""
        #: Says a word to a label's processes, or to one, and to how many; set once there is a sink.
        self.say: Callable[[str, str, int | None], int] = lambda label, word, pid: 0
        self._plan = plan
        self._crew = crew
        self._beginning = beginning
        self._places = places
        #: Called with how versions stand, whenever that has changed.
        self.stood: Callable[[Mapping[str, Standing]], None] = lambda standings: None
        #: Called with a version that is to be unloaded for others, and with why.
        self.evict: Callable[[str, str], None] = lambda label, why: None
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._joined = False
        #: The process of the gateway that serves.
        self._serving: int | None = None
        self._greeted = self._is_served = False
        self._reminder = Reminder(lambda: self._inbox.put(Message("waits")))
        self._stopping = False
        self._watch: Watch | None = None
        self._cluster: Cluster | None = None
        #: Ray was lost while it served.
        self._lost = False
        #: False once Ray, which is gone, keeps a thread waiting for it.
        self.has_left = True
        self._asking = Asking(lambda question, pid: self.say("gateway", question, pid))
        #: What is wanted by now; held while it is given to the watch, or to be.
        self._aim, self._aiming = (beginning.assignments, beginning.divisions), threading.Lock()
        #: What hosts are told of their versions.
        self.changing = Changing(crew, lambda label, word, pid: self.say(label, word, pid))
        self.board = RunBoard(crew, console, self._asking.ask)

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a replica told; any thread may call this."""
        self.board.hear(label, facts)
        if facts["event"] in ("inputs", "changed"):
            self.changing.hear(facts["version"], facts)
        if label == "gateway" and self._asking.hear(facts):
            return
        if facts["event"] == "gone" and not self._stopping and not self._places.ray.is_dir():
            # Ray starts no process without it, and says so nowhere that anybody looks.
            why = f"{self._places.ray} is gone, without which Ray replaces nothing"
            self._inbox.put(Message("lost", {"why": why}))
        elif label == "gateway":
            self._inbox.put(Message(str(facts["event"]), facts))
        if self._watch is not None:
            self._watch.hear(label, facts)

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        """As `headrace.control.engine.Engine` has it."""
        with self._aiming:
            self._aim = assignments, divisions
            if self._watch is not None:
                self._watch.want(assignments, divisions)

    def catch_up(self, limit_s: float) -> bool:
        """As `headrace.control.engine.Engine` has it."""
        return self._watch is not None and self._watch.catch_up(limit_s)

    def standings(self) -> Mapping[str, Standing]:
        """As `headrace.control.engine.Engine` has it."""
        return self.board.standings

    def watched(self) -> Watched:
        """Return the processes that may not stand still."""
        ray = {} if self._cluster is None else self._cluster.processes()
        return standstill.watched(self.board.processes, ray)

    def run(self, say: Callable[[str], None], ready: Callable[[], None]) -> int:
        """Bring everything up, serve until a signal, finish what was accepted. Return an exit code.

        Signals must be blocked in every thread: they are taken from the kernel's queue, whatever
        handlers Ray installs. Both functions are called on this thread; `ready` once, when the
        gateway answers for every version that could be loaded.
        """
        threading.Thread(target=self._take_signals, name="signals", daemon=True).start()
        cluster = self._cluster = Cluster(
            self._places, ray_environment(self._places), self._plan.ray_cpus
        )
        bring_up = threading.Thread(target=self._bring_up, args=(cluster,), daemon=True)
        bring_up.start()
        self._reminder.start()
        try:
            while (code := self._decide(self._inbox.get(), say, ready)) is None:
                pass
        finally:
            if self._watch is not None:
                self._watch.stop(0 if self._lost else LEAVE_S)
            if self._joined and not self._lost:
                from headrace.serve import private

                self.has_left = private.disconnect(LEAVE_S)
            cluster.end()
        return code

    def begins_again(self) -> bool:
        """True where what has ended should begin again, if no signal has come by now."""
        while self._lost and not self._inbox.empty():
            self._lost = self._inbox.get().kind != "signal"
        return self._lost

    def _decide(
        self, message: Message, say: Callable[[str], None], ready: Callable[[], None]
    ) -> int | None:
        """Act on one message; an exit code ends the run."""
        match message.kind:
            case "broken" | "lost":
                return self._lose(message, say)
            case "listening":
                self._serving = message.facts["pid"]
            case "silent":
                say(f"headrace: Ray Serve does not say how hosts are: {message.facts['why']}")
            case _ if self._stopping:
                return self._finish(message, say)
            case "waits":
                say("\n".join(f"headrace: {one}" for one in loading(self.board.status())))
            case "ready" | "settled" if not self._greeted:
                self._is_served = self._is_served or message.kind == "ready"
                return self._greet(say, ready)
            case "gone" if message.facts["pid"] == self._serving:
                self._serving = None
            case "signal":
                # Nothing is accepted while no gateway listens.
                if self._serving is None:
                    return 0
                self._stop(signal.Signals(message.facts["number"]).name, say)
        return None

    def _finish(self, message: Message, say: Callable[[str], None]) -> int | None:
        """Act on one message while what was accepted is being finished."""
        match message.kind:
            case "signal":
                return ended_by(message.facts["number"])
            case "gone" if message.facts["pid"] == self._serving:
                say("headrace: the gateway ended; what it had not answered is lost")
                return 1
            case "drained" | "late":
                if not message.facts.get("clean"):
                    say(f"headrace: {unfinished(self.board.status(), self._plan.drain_s)}")
                return 0
        return None

    def _greet(self, say: Callable[[str], None], ready: Callable[[], None]) -> int | None:
        """Say that the run is ready once no version is on its way any more and one serves."""
        standings = self.board.standings
        waits = awaited_of(self._crew, standings) or not self._is_served
        if waits or len(standings) < len(self._crew.members):
            return None
        self._greeted = True
        self._reminder.cancel()
        if standings and all(one.state is State.FAILED for one in standings.values()):
            for label, one in standings.items():
                say(f"  {label}: {one.state.value}, {one.reason}")
            say("no version could be loaded")
            return 1
        ready()
        return None

    def _lose(self, message: Message, say: Callable[[str], None]) -> int:
        """Give up; if Ray has ended, and with it all that served, what was ready begins anew."""
        if message.kind == "broken":
            say(f"headrace: {message.facts['why']}")
            return 1
        self._lost = self._greeted and not self._stopping
        self.has_left = self.has_left and not self._lost
        what = "; everything begins again" if self._lost else ""
        why = message.facts.get("why", "Ray ended by itself, its logs are in the state folder")
        say(f"headrace: {why}{what}")
        return 1

    def _stop(self, why: str, say: Callable[[str], None]) -> None:
        self._stopping = True
        self._reminder.cancel()
        forbid(self._places.turn)
        self.board.draining = f"ending: {why} came"
        say(FINISHING)
        late = threading.Timer(self._plan.drain_s + GRACE_S, self._inbox.put, (Message("late"),))
        late.daemon = True
        late.start()
        # Said to it directly: Serve's controller may be away, and takes its time.
        self.say("gateway", "drain", None)

    def _take_signals(self) -> None:
        signals = awaited()
        while True:
            self._inbox.put(Message("signal", {"number": signal.sigwait(signals)}))

    def _bring_up(self, cluster: Cluster) -> None:
        try:
            # Ray's modules take as long to import as its head node to start: both at once.
            from headrace.serve import applications, private

            address = cluster.address()
            cluster.watch(lambda: self._inbox.put(Message("lost")))
            self._joined = True
            private.connect(address, self._places.ray)
            watch = self._watching(applications, cluster)
            applications.start(self._plan, self._places, self._crew.groups, watch.first)
            watch.start()
        except HeadraceError as error:
            self._broken(str(error))
        except Exception as error:
            self._broken(f"Ray did not start: {type(error).__name__}: {error}")

    def _watching(self, applications: ModuleType, cluster: Cluster) -> Watch:
        """Join what watches to what it watches with: ``applications`` brings Ray."""
        accounts = Accounts(self._crew, Senses(self.changing.begin, oom_kills))
        hands = Hands(
            start=lambda groups: applications.carry(groups, self._places),
            end=applications.end,
            join=self.changing.join,
            leave=self.changing.leave,
            used=self._asking.used,
        )
        reach = Reach(
            look=applications.look,
            publish=lambda table: applications.publish(self._plan, self._places, table),
            changed=self._changed,
            evict=lambda label, why: self.evict(label, why),
            again=lambda group, times: applications.begin_again(group, self._places, times),
            broken=self._broken,
            lost=applications.LOST,
            silent=self._silent,
            rest=partial(cluster.keep_spares, self._plan.spare_hosts),
            gateway=applications.GATEWAY,
            gpus=cluster.gpus(),
        )
        self.board.records = accounts.records
        with self._aiming:
            began = [one for one in self._beginning.assignments if self._crew.has(one.version)]
            steps = Steps(self._crew, accounts, hands, began)
            self._watch = Watch(self._crew, accounts, steps, reach, self._beginning)
            self._watch.want(*self._aim)
            return self._watch

    def _silent(self, error: Exception) -> None:
        why = " ".join(str(error).split())[:MOST_CHARACTERS]
        self._inbox.put(Message("silent", {"why": f"{type(error).__name__}: {why}"}))

    def _broken(self, why: str) -> None:
        self._inbox.put(Message("broken", {"why": why}))

    def _changed(self, standings: Mapping[str, Standing]) -> None:
        self.board.stand(standings)
        if self._watch is not None:
            self.board.applications = self._watch.applications
        self._inbox.put(Message("settled"))
        self.stood(standings)
