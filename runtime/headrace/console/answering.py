"""Threads that answer operators: so many, and who finds none is told so."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Told = TypeVar("Told")

#: At once. Who is gone before he is answered still holds one.
MOST_THREADS: Final = 32


class AllBusy(Exception):
    """As many threads as there may be are answering others."""


class Threads:
    """Runs what blocks beside an event loop, which alone may call this."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0

    async def run(self, call: Callable[[], Told]) -> Told:
        """Return what ``call`` returns, or raise what it raises.

        Raises:
            AllBusy: nothing was done.
        """
        if self._busy >= self._most:
            raise AllBusy
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Told] = loop.create_future()

        def end(result: Callable[[], None]) -> None:
            self._busy -= 1
            if not done.done():
                result()

        def work() -> None:
            try:
                told = call()
            except BaseException as error:
                _tell(loop, end, lambda error=error: done.set_exception(error))  # type: ignore[misc]
            else:
                _tell(loop, end, lambda: done.set_result(told))

        self._busy += 1
        # A daemon, unlike those of asyncio and anyio: who waits for a registry keeps no server.
        threading.Thread(target=work, name="console answer", daemon=True).start()
        return await done


def _tell(
    loop: asyncio.AbstractEventLoop,
    end: Callable[[Callable[[], None]], None],
    result: Callable[[], None],
) -> None:
    try:
        loop.call_soon_threadsafe(end, result)
    except RuntimeError:
        # The console was closed meanwhile: nobody waits.
        return


#: There is one console in a process.
THREADS: Final = Threads(MOST_THREADS)


def in_thread(answer: Callable[Asked, Told]) -> Callable[Asked, Awaitable[Told]]:
    """Have a route that blocks answered by a thread."""

    @wraps(answer)
    async def answered(*args: Asked.args, **named: Asked.kwargs) -> Told:
        return await THREADS.run(lambda: answer(*args, **named))

    return answered
