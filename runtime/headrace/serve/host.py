"""A host as a Serve deployment: one process, one version, one Unix socket for gateways."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from headrace.config.batching import Batching
from headrace.errors import HeadraceError, ModelBroken
from headrace.execution import forking
from headrace.execution.hangs import hangs
from headrace.execution.runner import Runner
from headrace.execution.voices import captured
from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version
from headrace.serve import keeper
from headrace.serve.voice import CHANGE, Events, redirect_output

#: Memory that a host sends large outputs from; taken at its start. What does not fit travels
#: through the socket.
ARENA_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class HostOptions:
    """What a host is started with."""

    version: Version
    sockets: str
    sink: str
    drain_s: float
    #: Of each lane.
    threads: int


class HostReplica:
    """Loads a version, then serves it until Serve ends it."""

    def __init__(self, options: HostOptions) -> None:
        """Load and listen.

        Raises:
            ModelBroken: the version failed to load; the text is its standing's reason.
            OSError: there is no memory for the arena, or no socket.
        """
        version = options.version
        if not version.config.placement.gpus:
            # Ray leaves every GPU visible to a replica that asked for none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        # A worker leaves by itself when its raylet is gone, unless it is stopped at that moment.
        keeper.die_with_parent()
        redirect_output(Path(options.sink), version.label)
        self._options = options
        self._events = Events(Path(options.sink), version.label)
        self._output = ExitStack()
        self._output.enter_context(captured(self._events.say, alone=version.label))

        version = _as_told(version, self._events.wait_to_begin())
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
        self._runner = Runner(
            version, self._core, self._events.say, self._moved, threads=options.threads
        )
        threading.Thread(target=self._read_hangs, name="hangs", daemon=True).start()
        # Ray's own handler raises wherever a child is, and leaves it alone while it is in C.
        forking.guard(handlers={signal.SIGTERM: signal.SIG_DFL})
        if not self._runner.start():
            raise ModelBroken(self._runner.standing.reason)
        inputs = [(one.name, one.datatype, list(one.shape)) for one in self._runner.inputs]
        self._events.tell("inputs", inputs=inputs)
        threading.Thread(target=self._change, name="changes", daemon=True).start()

    def reconfigure(self, config: dict[str, Any]) -> None:
        """Do nothing: how often its group was begun again is Serve's business."""

    def record_replica_metadata(self) -> dict[str, Any]:
        """Return what gateways need to find this host."""
        return {"socket": str(self._socket), "pid": os.getpid()}

    async def __del__(self) -> None:
        """Finish what was accepted; gateways have chosen others before this is called."""
        if getattr(self, "_runner", None) is None:
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._core.drain, self._options.drain_s)
        await loop.run_in_executor(None, self._runner.stop, self._options.drain_s)
        with contextlib.suppress(OSError):
            self._socket.unlink()
        self._output.close()

    def _change(self) -> None:
        for text in self._events.questions():
            word, number, batching = (*text.split(" ", 2), "", "")[:3]
            if word != CHANGE:
                continue
            error = ""
            try:
                self._runner.change(_as_told(self._runner.version, batching))
            except HeadraceError as wrong:
                error = str(wrong)
            self._events.tell("changed", number=int(number), error=error)

    def _read_hangs(self) -> None:
        for hang in hangs(self._core):
            self._runner.say_where_it_hangs(hang)

    def _moved(self, standing: Standing) -> None:
        self._events.tell("moved", state=standing.state.value, reason=standing.reason)


def _as_told(version: Version, batching: str) -> Version:
    """Return the version with the batching of this moment, where something was said of it."""
    if not batching:
        return version
    told = Batching.model_validate_json(batching)
    return replace(version, config=version.config.model_copy(update={"batching": told}))
