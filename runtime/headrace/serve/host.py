"""A host as a Serve deployment: a process, the versions of its group, a socket for gateways."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from headrace.config.batching import Batching
from headrace.errors import HeadraceError, ModelBroken
from headrace.execution import forking
from headrace.execution.hangs import hangs
from headrace.execution.runner import Runner
from headrace.execution.voices import captured
from headrace.models.lifecycle import Standing, State
from headrace.repository.folder import Version
from headrace.serve import keeper
from headrace.serve.plan import Group
from headrace.serve.voice import CHANGE, Events, redirect_output

#: Memory that a host sends large outputs from; taken at its start. What does not fit travels
#: through the socket.
ARENA_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class HostOptions:
    """What a host is started with."""

    group: Group
    sockets: str
    sink: str
    drain_s: float
    #: Version → the threads of each of its lanes.
    threads: Mapping[str, int]


class HostReplica:
    """Loads the versions of a group, and serves each from then on until Serve ends it."""

    def __init__(self, options: HostOptions) -> None:
        """Listen and load; versions that share the process are loaded after this has returned.

        So Serve counts a host that others may be served from as one that runs, and a version of
        its own that cannot be loaded as a start that has failed.

        Raises:
            ModelBroken: the version failed to load; the text is its standing's reason.
            OSError: there is no memory for the arena, or no socket.
        """
        group = options.group
        if not group.placement.gpus:
            # Ray leaves every GPU visible to a replica that asked for none.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        # A worker leaves by itself when its raylet is gone, unless it is stopped at that moment.
        keeper.die_with_parent()
        redirect_output(Path(options.sink), group.label)
        self._options = options
        self._events = Events(Path(options.sink), group.label)
        self._output = ExitStack()
        self._output.enter_context(captured(self._events.say, alone=group.label))

        versions = _as_told(group.versions, self._events.wait_to_begin())
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
        self._runners = {
            version.label: Runner(
                version,
                self._core,
                self._events.say,
                partial(self._moved, version.label),
                threads=options.threads[version.label],
            )
            for version in versions
        }
        threading.Thread(target=self._read_hangs, name="hangs", daemon=True).start()
        # Ray's own handler raises wherever a child is, and leaves it alone while it is in C.
        forking.guard(handlers={signal.SIGTERM: signal.SIG_DFL})
        if group.is_shared:
            threading.Thread(target=self._load, name="load", daemon=True).start()
        else:
            self._load()
            for runner in self._runners.values():
                if runner.standing.state is State.FAILED:
                    raise ModelBroken(runner.standing.reason)
        threading.Thread(target=self._change, name="changes", daemon=True).start()

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
                for runner in self._runners.values()
            )
        )
        with contextlib.suppress(OSError):
            self._socket.unlink()
        self._output.close()

    def _load(self) -> None:
        """Load one version after the other: each has the whole machine for it."""
        for label, runner in self._runners.items():
            if runner.start():
                inputs = [(one.name, one.datatype, list(one.shape)) for one in runner.inputs]
                self._events.tell("inputs", version=label, inputs=inputs)

    def _change(self) -> None:
        for text in self._events.questions():
            word, _, rest = text.partition(" ")
            if word == CHANGE:
                number, label, told = rest.split(" ", 2)
                error = self._batch(label, told)
                self._events.tell("changed", version=label, number=int(number), error=error)

    def _batch(self, label: str, told: str) -> str:
        """Batch a version's calls otherwise; return why that cannot be, or nothing."""
        runner = self._runners.get(label)
        if runner is None:
            return ""  # it was left out here
        try:
            runner.change(_batched(runner.version, json.loads(told)))
        except HeadraceError as wrong:
            return str(wrong)
        return ""

    def _read_hangs(self) -> None:
        for hang in hangs(self._core):
            self._runners[f"{hang.model}/{hang.version}"].say_where_it_hangs(hang)

    def _moved(self, label: str, standing: Standing) -> None:
        self._events.tell(
            "moved", version=label, state=standing.state.value, reason=standing.reason
        )


def _as_told(versions: Sequence[Version], told: str) -> list[Version]:
    """Return those that are to be loaded, with the batching of this moment; all if none is said."""
    if not told:
        return list(versions)
    batching = json.loads(told)
    return [_batched(one, batching[one.label]) for one in versions if one.label in batching]


def _batched(version: Version, told: Mapping[str, Any]) -> Version:
    batching = Batching.model_validate_json(json.dumps(told))
    return replace(version, config=version.config.model_copy(update={"batching": batching}))
