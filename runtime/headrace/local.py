"""The engine `local`: gateway and host in one process, without Ray."""

import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Any

from headrace.config.options import ServeOptions
from headrace.console import state
from headrace.console.board import ModelStatus, Status, VersionStatus, loading, unfinished
from headrace.console.greeting import greeting
from headrace.console.logbook import Logbook
from headrace.console.operations import Applied
from headrace.console.server import Console
from headrace.console.terminal import Terminal
from headrace.errors import HeadraceError, PortTaken
from headrace.execution import forking, threads
from headrace.execution.device.choice import number_as_the_driver_does
from headrace.execution.ending import FINISHING, Ending, ended_by, leave
from headrace.execution.hangs import hangs
from headrace.execution.policy import WHOLE, Epoch, shares, table
from headrace.execution.reminder import Reminder
from headrace.execution.runner import Runner
from headrace.execution.voices import captured, line
from headrace.models.lifecycle import Standing
from headrace.repository.changed import changed
from headrace.repository.folder import Version, find

#: Beyond the drain's own limit, for whatever else there is to end.
GRACE_S = 5.0
#: Of a host's outputs on their way to a gateway; in one process they need none.
NO_ARENA = 0


def run(options: ServeOptions) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return 0, or 1 when there is nothing to serve.

    Raises:
        HeadraceError: the repository is wrong, or a port is taken.
    """
    versions = find(options.repository, options.state)
    lanes = [threads.lanes_of(version, hosts=1) for version in versions]
    budget = threads.plan(threads.cpus(), lanes, threads.told(os.environ))
    threads.tell_libraries(budget, os.environ)
    number_as_the_driver_does(os.environ)
    lock = state.take(options.state.absolute())
    # Where a model is when it takes the process with it, or keeps it from ending.
    faulthandler.enable(sys.stderr.fileno())
    alone = versions[0].label if len(versions) == 1 else "headrace"
    with ExitStack() as held:
        held.callback(state.let_go, lock)
        logbook = Logbook(options.state / "logs", sys.stderr)
        held.callback(logbook.close)
        terminal = Terminal(sys.stdout)
        held.callback(terminal.close)
        held.enter_context(captured(logbook.take, alone))
        server = Server(options, versions, budget, logbook)
        code = server.run(terminal, lock)
    if server.left_running:
        leave(code)
    return code


class Server:
    """Everything that runs in the one process."""

    def __init__(
        self,
        options: ServeOptions,
        versions: Sequence[Version],
        budget: threads.Budget,
        logbook: Logbook,
    ) -> None:
        import headrace_core

        self._options = options
        self._budget = budget
        self._logbook = logbook
        self._host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": NO_ARENA}))
        self._gateway = headrace_core.Gateway(json.dumps(_settings(options, budget)))
        self._console = Console(options.host, options.first_port + 3, self, logbook, self)
        self._runners = [
            Runner(
                version,
                self._host,
                logbook.take,
                self._moved,
                threads=budget.lanes[version.label],
            )
            for version in versions
        ]
        self._sequence = 0
        self._policy = threading.Lock()
        self._changes = threading.Lock()
        self._draining = ""
        self._ended = False
        #: When `run` has returned: threads may still load models, or be in them.
        self.left_running = False
        self._ending = Ending(self._end, options.drain_s + GRACE_S)

    def run(self, terminal: Terminal, lock: int) -> int:
        """Bind, load, serve, and drain when told to end."""
        self._ending.listen()
        self._gateway.attach(self._host)
        try:
            self._gateway.start()
        except OSError as error:
            raise PortTaken(f"{error}; `--ports N` moves all four ports") from error
        self._console.start()
        # A daemon: what goes wrong in this thread must end the process.
        reader = threading.Thread(target=self._read_errors, name="errors", daemon=True)
        reader.start()
        threading.Thread(target=self._read_hangs, name="hangs", daemon=True).start()
        forking.guard(locks=[lock], handlers=self._ending.replaced)
        code = 0
        # Not in this thread: it waits for signals, and loading may take minutes.
        loader = threading.Thread(target=self._load, args=(terminal,), name="load", daemon=True)
        loader.start()
        self._ending.wait(lambda: self._ended)
        if self._draining:
            terminal.show(f"{FINISHING}\n")
        else:
            code = 1
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
        counted = json.loads(self._gateway.stats()).get("models", {})
        models = []
        for name, runners in self._by_model().items():
            share = shares({one.version.number: one.standing for one in runners})
            rows = counted.get(name, {}).get("versions", {})
            models.append(ModelStatus(name, [_version_status(one, rows, share) for one in runners]))
        addresses = {**self._gateway.addresses(), "console": self._options.address(3)}
        processes = {"headrace": [os.getpid()]}
        return Status(
            engine="local",
            addresses=addresses,
            models=models,
            draining=self._draining,
            processes=processes,
            cpus=self._budget.cpus,
            io_threads=self._budget.io,
        )

    def requests(self) -> list[Mapping[str, Any]]:
        """As `headrace.console.board.Board` has it."""
        kept: list[Mapping[str, Any]] = json.loads(self._gateway.recent())
        return kept

    def apply(self, model: str) -> list[Applied]:
        """As `headrace.console.operations.Operations` has it."""
        with self._changes:
            runners = {one.version.label: one for one in self._runners}
            found = changed([one.version for one in self._runners], model)
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

    def _load(self, terminal: Terminal) -> None:
        self._apply_policy()
        reminder = Reminder(lambda: self._say_what_loads(terminal))
        reminder.start()
        serving = [runner for runner in self._runners if self._start(runner)]
        reminder.cancel()
        # What follows refers to the lines above it; a terminal that stands still has its time.
        self._logbook.settle(1.0)
        if not serving:
            terminal.show("no version could be loaded; the lines above say why\n")
            self._ended = True
            self._ending.look()
            return
        if self._ended:
            return
        folders = {one.version.model: one.version.home for one in serving}
        inputs = {one.version.model: one.inputs for one in serving}
        configs = {one.version.model: one.version.config for one in serving}
        scratch = self._options.state / "requests"
        terminal.show(greeting(self.status(), inputs, folders, scratch, configs))

    def _say_what_loads(self, terminal: Terminal) -> None:
        for text in loading(self.status()):
            terminal.show(f"headrace: {text}\n")

    def _start(self, runner: Runner) -> bool:
        try:
            return runner.start()
        except Exception as error:
            # Such as a table that the gateway refuses: the versions after this one still load.
            trace = "".join(traceback.format_exception(error)).rstrip()
            self._logbook.take(line(runner.version.label, "err", trace))
            return False

    def _moved(self, standing: Standing) -> None:
        self._apply_policy()

    def _apply_policy(self) -> None:
        with self._policy:
            self._sequence += 1
            standings = {
                name: {one.version.number: one.standing for one in runners}
                for name, runners in self._by_model().items()
            }
            self._gateway.apply_policy(table(Epoch(sequence=self._sequence), standings))

    def _by_model(self) -> dict[str, list[Runner]]:
        models: dict[str, list[Runner]] = {}
        for runner in self._runners:
            models.setdefault(runner.version.model, []).append(runner)
        return models

    def _read_errors(self) -> None:
        while (report := self._gateway.next_error()) is not None:
            self._logbook.take_report(report)

    def _read_hangs(self) -> None:
        for hang in hangs(self._host):
            for runner in self._runners:
                version = runner.version
                if (version.model, version.number) == (hang.model, hang.version):
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
            stopped = [runner.stop(limit_s if answered else 0.1) for runner in self._runners]
            done = answered and self._host.drain(limit_s) and all(stopped)
        finally:
            clean.append(done)
            self._ending.look()


def _settings(options: ServeOptions, budget: threads.Budget) -> dict[str, Any]:
    return {
        "http": options.address(0),
        "grpc": options.address(1),
        "metrics": options.address(2),
        "io_threads": budget.io,
        "arena_bytes": NO_ARENA,
        "limits": dict(options.limits),
    }


def _version_status(runner: Runner, rows: Any, share: dict[int, int]) -> VersionStatus:
    number = runner.version.number
    counted = rows.get(str(number), {})
    return VersionStatus(
        version=number,
        standing=runner.standing,
        for_s=monotonic() - runner.since,
        hosts=counted.get("hosts", 0),
        waiting=counted.get("waiting", 0),
        in_flight=counted.get("in_flight", 0),
        share_percent=100 * share[number] / WHOLE,
        lanes=runner.version.config.lanes,
        threads=runner.threads,
    )
