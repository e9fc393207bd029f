"""Everything that runs in the one process, from its options to its exit code."""

import faulthandler
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from headrace.config.options import RECORDINGS, ServeOptions
from headrace.console import state
from headrace.console.arrivals import evict, rolling, stand, tell_lost, watch
from headrace.console.board import (
    ModelStatus,
    Status,
    VersionStatus,
    loading,
    not_carried,
    unfinished,
)
from headrace.console.greeting import greeting
from headrace.console.logbook import Logbook
from headrace.console.operations import Applied
from headrace.console.server import Console
from headrace.console.sources import Sources
from headrace.console.terminal import Terminal
from headrace.console.token import token_for
from headrace.control.controller import Controller
from headrace.control.demand import usage
from headrace.control.drift import Drift
from headrace.control.engine import Beginning
from headrace.control.opening import controlling
from headrace.control.operating import Operating
from headrace.errors import HeadraceError, PortTaken
from headrace.execution import calling, forking, threads
from headrace.execution.device.choice import number_as_the_driver_does
from headrace.execution.ending import FINISHING, Ending, ended_by, leave
from headrace.execution.hangs import hangs
from headrace.execution.policy import AWAITED
from headrace.execution.reminder import Reminder
from headrace.execution.voices import captured
from headrace.local.around import Around
from headrace.local.carrying import Carrying
from headrace.local.status import version_status
from headrace.models.lifecycle import ON_THE_WAY
from headrace.repository.changed import Changed, changed, compare
from headrace.repository.folder import Version, look, tell
from headrace.repository.sourced import Reach

#: Beyond the drain's own limit, for whatever else there is to end.
GRACE_S = 5.0
#: Of a host's outputs on their way to a gateway; in one process they need none.
NO_ARENA = 0


def run(options: ServeOptions) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return 0, or 1 when there is nothing to serve.

    Raises:
        HeadraceError: the repository is wrong, or a port is taken.
    """
    found = look(options.repository, reach := Reach(options.state, tell, options.sources))
    told = threads.told(os.environ)
    lock = state.take(options.state.absolute())
    # Where a model is when it takes the process with it, or keeps it from ending.
    faulthandler.enable(sys.stderr.fileno())
    with ExitStack() as held:
        held.callback(state.let_go, lock)
        controller = held.enter_context(controlling(options, reach))
        beginning = controller.begin(found.versions, found.away)
        carried = [one.version for one in beginning.assignments]
        lanes = [threads.lanes_of(version, hosts=1) for version in carried]
        budget = threads.plan(threads.cpus(), lanes, told)
        threads.tell_libraries(budget, os.environ)
        number_as_the_driver_does(os.environ)
        alone = carried[0].label if len(carried) == 1 else "headrace"
        logbook = Logbook(options.state / "logs", sys.stderr)
        held.callback(logbook.close)
        terminal = Terminal(sys.stdout)
        held.callback(terminal.close)
        held.enter_context(captured(logbook.take, alone))
        server = Server(options, beginning, budget, logbook, controller)
        tell_lost(controller, logbook)
        watch(options, controller, logbook)
        code = server.run(terminal, lock)
    if server.left_running:
        leave(code)
    return code


class Server:
    """Gateway and host, and the console beside them."""

    def __init__(
        self,
        options: ServeOptions,
        beginning: Beginning,
        budget: threads.Budget,
        logbook: Logbook,
        controller: Controller,
    ) -> None:
        import headrace_core

        self._options, self._logbook = options, logbook
        self._host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": NO_ARENA}))
        key, token = controller.store.labels.key, token_for(options.host, options.state)
        settings = options.gateway(budget.io, NO_ARENA, key, token.text if token else None)
        self._gateway = headrace_core.Gateway(json.dumps(settings | {"calls": calling.within()}))
        around = Around(
            host=self._host,
            apply=self._gateway.apply_policy,
            used=lambda: usage(json.loads(self._gateway.stats())),
            sink=logbook.take,
            budget=budget,
            gateway=self._gateway,
            told=threads.told(os.environ),
            max_loaded=options.max_loaded,
            recordings=options.state.absolute() / RECORDINGS,
        )
        carrying = self._carrying = Carrying(around, beginning)
        controller.drive(carrying)
        carrying.stood = partial(stand, controller, logbook)
        carrying.evict = partial(evict, controller, logbook)
        evidence, digest = (lambda: [self._gateway.evidence()]), carrying.digest
        rollouts = rolling(options, controller, logbook, evidence, carrying.losses, digest=digest)
        drift = Drift(controller, lambda to: [self._gateway.profiles(to)], digest, rollouts.telling)
        sources = Sources(self, logbook, self, controller, rollouts, drift)
        self._console = Console(options.host, options.first_port + 3, sources, token)
        self._changes, self._operating = threading.Lock(), Operating(controller)
        self._draining, self._ended = "", False
        #: When `run` has returned: threads may still load models, or be in them.
        self.left_running = False
        self._ending = Ending(self._end, options.drain_s + GRACE_S)

    def run(self, terminal: Terminal, lock: int) -> int:
        """Bind, load, serve, and drain when told to end."""
        self._ending.listen()
        self._gateway.attach(self._host)
        self._carrying.publish()  # or models that are on their way would be unknown for a moment
        try:
            self._gateway.start()
        except OSError as error:
            raise PortTaken(f"{error}; `--ports N` moves all four ports") from error
        self._console.start()
        # A daemon: what goes wrong in this thread must end the process.
        reader = threading.Thread(target=self._read_errors, name="errors", daemon=True)
        reader.start()
        for act in (self._read_hangs, self._operate, self._hear_demand):
            threading.Thread(target=act, name=act.__name__, daemon=True).start()
        forking.guard(locks=[lock], handlers=self._ending.replaced)
        # Not in this thread: it waits for signals, and loading may take minutes.
        loader = threading.Thread(target=self._load, args=(terminal,), name="load", daemon=True)
        loader.start()
        self._ending.wait(lambda: self._ended)
        code = 0 if self._draining else 1
        if self._draining:
            terminal.show(f"{FINISHING}\n")
        self._console.close()
        clean: list[bool] = []
        # Not in this thread either: the core waits without looking for a second signal.
        threading.Thread(target=self._drain, args=(clean,), name="drain", daemon=True).start()
        self._ending.wait(lambda: bool(clean))
        reader.join()
        if clean != [True]:
            terminal.show(f"headrace: {unfinished(self.status(), self._options.drain_s)}\n")
        self.left_running = loader.is_alive() or clean != [True]
        return code

    def status(self) -> Status:
        """Return how every version stands, and what the gateway counts."""
        stats = json.loads(self._gateway.stats())
        counted = stats.get("models", {})
        found: dict[str, list[VersionStatus]] = {}
        standings = self._carrying.standings()
        for one in self._carrying.runners:
            version = one.version
            rows = counted.get(version.model, {}).get("versions", {}).get(str(version.number), {})
            standing = standings.get(version.label, one.standing)
            found.setdefault(version.model, []).append(version_status(one, rows, standing))
        for version in self._carrying.standby:
            rows = counted.get(version.model, {}).get("versions", {}).get(str(version.number), {})
            standing = standings.get(version.label, AWAITED)
            found.setdefault(version.model, []).append(not_carried(version.number, standing, rows))
        models = [ModelStatus(name, versions) for name, versions in found.items()]
        return Status(
            engine="local",
            addresses={**self._gateway.addresses(), "console": self._options.address(3)},
            models=models,
            draining=self._draining,
            processes={"headrace": [os.getpid()]},
            cpus=self._carrying.budget.cpus,
            io_threads=self._carrying.budget.io,
            shadows=stats.get("shadows", []),
        )

    def requests(self) -> list[Mapping[str, Any]]:
        """As `headrace.console.board.Board` has it."""
        kept: list[Mapping[str, Any]] = json.loads(self._gateway.recent())
        return kept

    def apply(self, model: str) -> list[Applied]:
        """As `headrace.console.operations.Operations` has it."""
        with self._changes:
            runners = {one.version.label: one for one in self._carrying.runners}
            found = changed(*self._carrying.held(model))
            before: list[Version] = []
            for label, version in ((one.version.label, one.version) for one in found):
                was = runners[label].version
                try:
                    runners[label].change(version)
                except HeadraceError as error:
                    for changed_before in before:
                        runners[changed_before.label].change(changed_before)
                    raise type(error)(f"nothing was changed: {label}: {error}") from error
                before.append(was)
            return [
                Applied(one.version.label, [str(change) for change in one.changes], 1, 1)
                for one in found
            ]

    def compare(self, model: str) -> list[Changed]:
        """As `headrace.console.operations.Operations` has it."""
        return compare(*self._carrying.held(model))

    def _load(self, terminal: Terminal) -> None:
        reminder = Reminder(lambda: self._say_what_loads(terminal))
        reminder.start()
        serving = self._carrying.load_first()
        reminder.cancel()
        # What follows refers to the lines above it; a terminal that stands still has its time.
        self._logbook.settle(1.0)
        on_the_way = [one for one in self._carrying.runners if one.standing.state in ON_THE_WAY]
        if not serving and self._carrying.runners and not on_the_way:
            terminal.show("no version could be loaded; the lines above say why\n")
            self._carrying.stood(self._carrying.standings())
            self._ended = True
            self._ending.look()
            return
        if self._ended:
            return
        folders = {one.version.model: one.version.home for one in serving}
        inputs = {one.version.model: one.inputs for one in serving if one.inputs}
        configs = {one.version.model: one.version.config for one in serving}
        scratch = self._options.state / "requests"
        self._carrying.begin()
        terminal.show(greeting(self.status(), inputs, folders, scratch, configs))

    def _say_what_loads(self, terminal: Terminal) -> None:
        for text in loading(self.status()):
            terminal.show(f"headrace: {text}\n")

    def _read_errors(self) -> None:
        while (report := self._gateway.next_error()) is not None:
            self._logbook.take_report(report)

    def _operate(self) -> None:
        while (told := self._gateway.next_operation()) is not None:
            asked = json.loads(told)
            done = partial(self._finish, asked["id"])
            self._operating.take(asked["operation"], asked["model"], done)

    def _hear_demand(self) -> None:
        while (told := self._gateway.next_demand()) is not None:
            asked = json.loads(told)
            self._carrying.call(f"{asked['model']}/{asked['version']}")

    def _finish(self, number: int, error: str) -> None:
        self._gateway.finish_operation(number, error or None)

    def _read_hangs(self) -> None:
        for hang in hangs(self._host):
            for runner in self._carrying.runners:
                if runner.version.label == f"{hang.model}/{hang.version}":
                    runner.give_up(hang)
                    runner.say_where_it_hangs(hang)

    def _end(self, number: int) -> None:
        if self._ended:
            # The second Ctrl-C: whoever presses it does not want to wait.
            os._exit(ended_by(number))
        self._draining = f"ending: {signal.Signals(number).name} came"
        self._ended = True

    def _drain(self, clean: list[bool]) -> None:
        """Finish what was accepted, within the limit of the options; append whether all was."""
        limit_s = self._options.drain_s
        done = False
        try:
            answered = self._gateway.drain(limit_s)
            stopped = [
                runner.stop(limit_s if answered else 0.1) for runner in self._carrying.runners
            ]
            done = answered and self._host.drain(limit_s) and all(stopped)
        finally:
            clean.append(done)
            self._ending.look()
