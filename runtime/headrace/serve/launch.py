"""`headrace serve` on Ray, from the options to the exit code."""

import json
import os
import signal
import sys
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from headrace.config.options import ServeOptions
from headrace.console.arrivals import evict, rolling, stand, tell_lost, watch
from headrace.console.greeting import greeting
from headrace.console.logbook import Logbook
from headrace.console.server import Console
from headrace.console.sources import Sources
from headrace.console.terminal import Terminal
from headrace.console.token import token_for
from headrace.control.demand import Demand
from headrace.control.drift import Drift
from headrace.control.opening import controlling
from headrace.control.operating import Operating
from headrace.execution import threads
from headrace.execution.device.choice import number_as_the_driver_does
from headrace.execution.ending import awaited
from headrace.execution.voices import OURSELVES, line
from headrace.repository.folder import Found, look, tell
from headrace.repository.sourced import Reach
from headrace.serve import plan, ports
from headrace.serve.crew import Crew
from headrace.serve.places import claim, release
from headrace.serve.session import Session
from headrace.serve.sink import Sink
from headrace.serve.standstill import Standstill
from headrace.serve.voice import DONE


def launch(options: ServeOptions) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        HeadraceError: it cannot start as asked: models, ports, the state folder. Nothing is left.
    """
    found = look(options.repository, reach := Reach(options.state, tell, options.sources))
    told = threads.told(os.environ)
    ports.require_free(options.address(offset) for offset in range(4))
    # Taken from the kernel's queue by one thread; every thread made from here on inherits this.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited())
    try:
        return _serve(options, reach, found, told)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(options: ServeOptions, reach: Reach, found: Found, told: int | None) -> int:
    environment = {**os.environ, **options.environ}
    with ExitStack() as held:
        places = claim(options.state)
        held.callback(release, places)
        logbook = Logbook(places.logs, sys.stderr)
        held.callback(logbook.close)
        terminal = Terminal(sys.stdout)
        held.callback(terminal.close)
        controller = held.enter_context(controlling(options, reach))
        beginning = controller.begin(found.versions, found.away)
        demand = Demand(options.max_loaded)
        carried = [one.version for one in demand.carried(beginning.assignments, {}, {}, {})]
        crew = Crew(carried, threads.cpus(), told, demand)
        token = token_for(options.host, options.state)
        key, shown = controller.store.labels.key, token.text if token else None
        session = Session(
            plan.make(options, crew.groups, crew.budget, key, shown),
            crew,
            beginning,
            places,
            options.address(3),
        )
        controller.drive(session)
        session.stood = partial(stand, controller, logbook)
        session.evict = partial(evict, controller, logbook)
        board = session.board
        rollouts = rolling(
            options, controller, logbook, board.evidence, board.crashes, digest=crew.digest
        )
        drift = Drift(controller, board.profiles, crew.digest, rollouts.telling)
        sources = Sources(board, logbook, session.changing, controller, rollouts, drift)
        console = Console(options.host, options.first_port + 3, sources, token)
        held.callback(console.close)

        operating = Operating(controller)

        def finish(pid: int, number: int, error: str) -> None:
            session.say("gateway", f"{DONE} {number} {json.dumps(error or None)}", pid)

        def hear(label: str, facts: dict[str, Any]) -> None:
            if facts["event"] == "error":
                logbook.take_report(facts["report"])
            elif facts["event"] == "operation":
                done = partial(finish, facts["pid"], facts["id"])
                operating.take(facts["operation"], facts["model"], done)
            else:
                session.hear(label, facts)

        def greet() -> None:
            folders = {one.model: one.home for one in carried}
            configs = {one.model: one.config for one in carried}
            board, scratch = session.board, options.state / "requests"
            terminal.show(greeting(board.status(), board.inputs, folders, scratch, configs))

        threads.tell_libraries(crew.budget, os.environ)
        number_as_the_driver_does(os.environ)
        sink = Sink(places.log_socket, hear, logbook.take)
        held.callback(sink.close)
        session.say = sink.ask
        standstill = Standstill(
            session.watched, lambda text: logbook.take(line(OURSELVES, "err", text))
        )
        held.callback(standstill.end)
        console.start()
        tell_lost(controller, logbook)
        watch(options, controller, logbook)
        code = session.run(lambda text: terminal.show(f"{text}\n"), ready=greet)
    if session.begins_again():
        _begin_again(environment)
    if not session.has_left:
        # Ray's exit handlers would wait for what is gone for a minute; nothing else is left to do.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _begin_again(environment: dict[str, str]) -> NoReturn:
    """Run this program anew, as the same process: Ray cannot be joined twice in one.

    Threads of Ray that wait for what is gone end here; signals stay blocked, and those that come
    meanwhile are taken by the new run.
    """
    for descriptor in Path("/proc/self/fd").iterdir():
        if int(descriptor.name) > 2:
            with suppress(OSError):
                os.set_inheritable(int(descriptor.name), False)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
