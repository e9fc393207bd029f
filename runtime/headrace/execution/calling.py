"""Calls that a version's model makes of others, over the gateway of its node."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from headrace.errors import CalledEarly, CallFailed
from headrace.execution import forking
from headrace.models.behalf import NOBODYS, Behalf, working_for
from headrace.models.calling import Answer, Call
from headrace.models.metrics import Metric
from headrace.repository.folder import Version
from headrace.repository.instances import original, version_of

if TYPE_CHECKING:
    import asyncio

    import headrace_core

#: Where the gateway takes them; empty where there is none.
_at = ""
#: Of the time that a batch may take, what one call in it may: who does not answer is told of, and
#: costs no host.
SHARE: Final = 0.5


def go_to(at: str) -> None:
    """Have all calls of this process go to the gateway there: the core's setting ``calls``."""
    global _at
    _at = at


def within() -> str:
    """Have them go to a gateway of this process, and return where.

    A name of the kernel's, which ends with the process and leaves no file.
    """
    go_to(f"@headrace-{secrets.token_hex(16)}")
    return _at


class Calling:
    """Makes the calls of one version, and what it counts; from any thread."""

    def __init__(self, version: Version) -> None:
        #: A control calls and counts as its version.
        self._label = original(version.label)
        self._of = version.model, version_of(version.number)
        self._limit_s = SHARE * version.config.limits.hang_timeout_s
        #: Before that, who is called may not be there: versions are loaded one after the other.
        self.serves = False
        #: A call was made before.
        self.was_early = False

    def begin(self, call: Call, *, in_parts: bool = False) -> "Ongoing":
        """As `headrace.models.calling.Caller` has it."""
        if not self.serves or not _at:
            self.was_early = True
            raise CalledEarly(call.model)
        if forking.child:
            # It has none of our threads: nobody would answer.
            raise CallFailed(
                "unsupported", "a process that a model has forked calls no other model"
            )
        left_s, callers = _behalf()
        limit_s = self._limit_s if call.timeout_s is None else call.timeout_s
        with _failing():
            how = {
                "version": "" if call.version is None else str(call.version),
                "id": call.id,
                "outputs": list(call.outputs),
                "parameters": dict(call.parameters),
                "timeout_s": limit_s if left_s is None else min(limit_s, left_s),
                "callers": " ".join(dict.fromkeys([*callers, self._label])),
                "in_parts": in_parts,
            }
            ongoing = _way(_at).begin(call.model, list(call.inputs.items()), how)
        return Ongoing(ongoing)

    def metric(
        self, name: str, description: str, labels: dict[str, str], *, is_counter: bool
    ) -> Metric:
        """As `headrace.models.metrics.Metrics` has it."""
        return _counted().metric(self._of, name, description, is_counter, labels)


class Ongoing:
    """As `headrace.models.calling.Ongoing` has it."""

    def __init__(self, core: "headrace_core.Ongoing") -> None:
        self._core = core

    def next(self) -> Answer | None:
        """Block until there is one."""
        with _failing():
            came = self._core.next()
        if came is None:
            return None
        model, version, name, parameters, outputs = came
        return Answer(model, int(version), name, parameters, outputs)

    async def when_ready(self) -> None:
        """Let the event loop go on until then."""
        # Every host starts through this file, and few need it.
        import asyncio

        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def tell() -> None:
            # Else the loop has ended, and nobody waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_set, ready)

        self._core.ready(tell)
        try:
            await ready
        except asyncio.CancelledError:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Take it back."""
        self._core.cancel()


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


@contextmanager
def _failing() -> Iterator[None]:
    """Make the core's error ours."""
    import headrace_core

    try:
        yield
    except headrace_core.CallFailed as error:
        raise CallFailed(*error.args) from None


def _behalf() -> Behalf:
    work = working_for.get()
    if work is None:
        return NOBODYS
    try:
        return work.behalf
    except ValueError as settled:
        raise CallFailed("cancelled", f"nobody waits for what is called: {settled}") from settled


@cache
def _counted() -> "headrace_core.Metrics":
    """Return what all versions of a process count, as the gateway is told of it."""
    from headrace_core import Metrics

    # Not the process's number alone, which another one may have later.
    metrics = Metrics(f"{os.getpid()}-{secrets.token_hex(8)}")
    if _at:
        metrics.tell(_way(_at))
    return metrics


@cache
def _way(at: str) -> "headrace_core.Calls":
    """Return the way to a gateway, which all versions of a process share; made when needed."""
    from headrace_core import Calls

    return Calls(at)
