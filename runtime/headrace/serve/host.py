"""A host as a Serve deployment: a process, the versions of its group, a socket for gateways."""

import asyncio
import contextlib
import json
import os
import queue
import secrets
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from headrace.config.batching import Batching
from headrace.errors import HeadraceError, ModelBroken
from headrace.execution import calling, forking
from headrace.execution.hangs import hangs
from headrace.execution.runner import Runner
from headrace.execution.voices import captured
from headrace.models.lifecycle import ON_THE_WAY, Standing, State
from headrace.repository.told import from_json
from headrace.serve.voice import CHANGE, JOIN, LEAVE, Events, redirect_output

#: Memory that a host sends large outputs from; taken at its start. What does not fit travels
#: through the socket.
ARENA_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class HostOptions:
    """What a host is started with; what it is to load it asks for."""

    #: Of its group.
    label: str
    gpus: float
    #: Other versions may be in the process.
    is_shared: bool
    sockets: str
    #: Where calls of its models go.
    calls: str
    sink: str
    drain_s: float
    #: The folder of what callers sent, where that is kept.
    recordings: str


class HostReplica:
    """Loads the versions of a group, and serves each from then on until it is told to end."""

    def __init__(self, options: HostOptions) -> None:
        """Listen and load; versions that share the process are loaded after this has returned.

        So Serve counts a host that others may be served from as one that runs, and a version of
        its own that cannot be loaded as a start that has failed.

        Raises:
            ModelBroken: the version failed to load; the text is its standing's reason.
            OSError: there is no memory for the arena, or no socket.
        """
        if not options.gpus:
            # Ray leaves every GPU visible to a replica that asked for none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        redirect_output(Path(options.sink), options.label)
        self._options = options
        self._events = Events(Path(options.sink), options.label)
        self._output = ExitStack()
        self._output.enter_context(captured(self._events.say, alone=options.label))

        told = json.loads(self._events.wait_to_begin() or "[]")
        from headrace_core import Host

        self._socket = Path(options.sockets) / f"h-{os.getpid()}-{secrets.token_hex(3)}"
        settings = {
            "socket": str(self._socket),
            "arena_bytes": ARENA_BYTES,
            # Serve starts another.
            "ends_when_hung": True,
        }
        self._core = Host(json.dumps(settings))
        self._core.listen()
        calling.go_to(options.calls)
        self._runners: dict[str, Runner] = {}
        #: What is to be loaded, and who of those is to end; one after the other, for each has the
        #: whole machine to load with.
        self._turns: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        first = [partial(self._load, self._add(one), one["digest"]) for one in told]
        threading.Thread(target=self._read_hangs, name="hangs", daemon=True).start()
        # Ray's own handler raises wherever a child is, and leaves it alone while it is in C.
        forking.guard(handlers={signal.SIGTERM: signal.SIG_DFL})
        if options.is_shared:
            for load in first:
                self._turns.put(load)
            threading.Thread(target=self._take_turns, name="load", daemon=True).start()
        else:
            for load in first:
                load()
            for runner in self._runners.values():
                if runner.standing.state is State.FAILED:
                    raise ModelBroken(runner.standing.reason)
        threading.Thread(target=self._heed, name="words", daemon=True).start()

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Do nothing: how often its group was begun again is Serve's business."""

    def record_replica_metadata(self) -> dict[str, Any]:
        """Return what gateways need to find this host."""
        return {"socket": str(self._socket), "pid": os.getpid()}

    async def __del__(self) -> None:
        """Finish what was accepted; gateways have chosen others before this is called."""
        if getattr(self, "_runners", None) is None:
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._core.drain, self._options.drain_s)
        await asyncio.gather(
            *(
                loop.run_in_executor(None, runner.stop, self._options.drain_s)
                for runner in list(self._runners.values())
            )
        )
        with contextlib.suppress(OSError):
            self._socket.unlink()
        self._output.close()

    def _add(self, told: dict[str, Any]) -> Runner:
        version = from_json(told)
        moved = partial(self._moved, version.label)
        runner = Runner(
            version,
            self._core,
            self._events.say,
            moved,
            threads=told["threads"],
            recordings=Path(self._options.recordings),
        )
        self._runners[version.label] = runner
        return runner

    def _load(self, runner: Runner, digest: str) -> None:
        if runner.start(digest):
            inputs = [(one.name, one.datatype, list(one.shape)) for one in runner.inputs]
            label = runner.version.label
            self._events.tell("inputs", version=label, inputs=inputs, digest=runner.digest)

    def _take_turns(self) -> None:
        while True:
            self._turns.get()()

    def _heed(self) -> None:
        """Do what the run's process says, for as long as it lives."""
        for text in self._events.questions():
            word, _, rest = text.partition(" ")
            if word == CHANGE:
                number, label, told = rest.split(" ", 2)
                error = self._batch(label, told)
                self._events.tell("changed", version=label, number=int(number), error=error)
            elif word == JOIN:
                one = json.loads(rest)
                # It may have begun with it.
                if from_json(one).label not in self._runners:
                    self._turns.put(partial(self._load, self._add(one), one["digest"]))
            elif word == LEAVE and rest in self._runners:
                if self._runners[rest].standing.state in ON_THE_WAY:
                    self._turns.put(partial(self._end, rest))
                else:
                    # At once: who joins by the same name later is another one.
                    runner = self._runners.pop(rest)
                    threading.Thread(target=self._stop, args=(rest, runner), daemon=True).start()
                    del runner

    def _end(self, label: str) -> None:
        self._stop(label, self._runners.pop(label))

    def _stop(self, label: str, runner: Runner) -> None:
        """End one version, of which gateways send nothing any more; the others go on."""
        runner.stop(self._options.drain_s)
        self._moved(label, Standing(State.GONE, "unloaded"))

    def _batch(self, label: str, told: str) -> str:
        """Batch a version's calls otherwise; return why that cannot be, or nothing."""
        runner = self._runners.get(label)
        if runner is None:
            return ""  # it was left out here
        try:
            batching = Batching.model_validate_json(told)
            config = runner.version.config.model_copy(update={"batching": batching})
            runner.change(replace(runner.version, config=config))
        except HeadraceError as wrong:
            return str(wrong)
        return ""

    def _read_hangs(self) -> None:
        for hang in hangs(self._core):
            if runner := self._runners.get(f"{hang.model}/{hang.version}"):
                runner.say_where_it_hangs(hang)

    def _moved(self, label: str, standing: Standing) -> None:
        state, reason, short = standing.state.value, standing.reason, standing.short
        told = None if short is None else short.as_json()
        self._events.tell("moved", version=label, state=state, reason=reason, short=told)
