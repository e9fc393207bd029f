"""Waiting for the end of a process in its main thread."""

import contextlib
import os
import select
import signal
from collections.abc import Callable
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Signals that ask for the end, and a wait that they always interrupt.

    The kernel may hand a signal to any thread. Python runs the handler in the main thread, but does
    not interrupt a lock that this one waits on for a signal that another one got. So the main
    thread waits for a descriptor, which whoever gets a signal writes to.
    """

    def __init__(self, asked: Callable[[int], None]) -> None:
        """``asked`` is called in the main thread with the number of each signal."""
        self._wake, self._wake_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._asked = asked

    def listen(self) -> None:
        """Hear signals from now on; called in the main thread."""
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def look(self) -> None:
        """Make `wait` look again; any thread may call this."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_in, b"\0")

    def wait(self, reached: Callable[[], bool]) -> None:
        """Block until ``reached``, which is asked after each signal and each `look`."""
        news = select.poll()
        news.register(self._wake, select.POLLIN)
        while not reached():
            news.poll()
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)

    def _handle(self, number: int, frame: Any) -> None:
        self._asked(number)
