"""`headrace serve` on Ray, from the options to the exit code."""

import os
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from headrace.config.options import ServeOptions
from headrace.console.greeting import greeting
from headrace.console.logbook import Logbook
from headrace.console.server import Console
from headrace.console.terminal import Terminal
from headrace.execution import threads
from headrace.execution.device.choice import number_as_the_driver_does
from headrace.execution.ending import awaited
from headrace.execution.voices import OURSELVES, line
from headrace.repository.folder import find
from headrace.serve import plan, ports
from headrace.serve.places import claim, release
from headrace.serve.session import Session
from headrace.serve.sink import Sink
from headrace.serve.standstill import Standstill


def launch(options: ServeOptions) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        HeadraceError: it cannot start as asked: models, ports, the state folder. Nothing is left.
    """
    versions = find(options.repository, options.state)
    wanted = plan.make(options, versions, threads.cpus(), threads.told(os.environ))
    ports.require_free(options.address(offset) for offset in range(4))
    # Taken from the kernel's queue by one thread; every thread made from here on inherits this.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, awaited())
    try:
        return _serve(options, wanted)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(options: ServeOptions, wanted: plan.Plan) -> int:
    environment = dict(os.environ)
    with ExitStack() as held:
        places = claim(options.state)
        held.callback(release, places)
        logbook = Logbook(places.logs, sys.stderr)
        held.callback(logbook.close)
        terminal = Terminal(sys.stdout)
        held.callback(terminal.close)
        session = Session(wanted, places, options.address(3))
        console = Console(
            options.host, options.first_port + 3, session.board, logbook, session.changing
        )
        held.callback(console.close)

        def hear(label: str, facts: dict[str, Any]) -> None:
            if facts["event"] == "error":
                logbook.take_report(facts["report"])
            else:
                session.hear(label, facts)

        def greet() -> None:
            versions = [version for version, _ in wanted.members]
            folders = {one.model: one.home for one in versions}
            configs = {one.model: one.config for one in versions}
            board, scratch = session.board, options.state / "requests"
            terminal.show(greeting(board.status(), board.inputs, folders, scratch, configs))

        threads.tell_libraries(wanted.budget, os.environ)
        number_as_the_driver_does(os.environ)
        sink = Sink(places.log_socket, hear, logbook.take)
        held.callback(sink.close)
        session.say = sink.ask
        standstill = Standstill(
            session.watched, lambda text: logbook.take(line(OURSELVES, "err", text))
        )
        held.callback(standstill.end)
        console.start()
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
