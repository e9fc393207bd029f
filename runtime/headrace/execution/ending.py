"""Waiting for the end of a process in its main thread."""

import atexit
import os
import signal
from collections.abc import Callable
from typing import Any, Final, NoReturn

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Said after the first of them.
FINISHING: Final = "headrace: finishing what was accepted; once more ends it at once"


def awaited() -> tuple[signal.Signals, ...]:
    """Return the signals that end a server here: no SIGHUP where it was started to outlive one.

    That is what `nohup` does, and a SIGHUP that is blocked or handled would come all the same.
    """
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return tuple(one for one in SIGNALS if hangs_up or one is not signal.SIGHUP)


def ended_by(number: int) -> int:
    """Return the exit code of who was asked twice, and ends without finishing: a shell's."""
    return 128 + number


def leave(code: int) -> NoReturn:
    """End the process while threads may be in models, below Python, too.

    An interpreter that ends, and C++ behind it, takes from under them what they use: where a graph
    was still loaded, or ran, that was SIGABRT or SIGSEGV.
    """
    # multiprocessing ends the children of models here. Nothing is flushed: what is to be shown went
    # past Python's buffers.
    atexit._run_exitfuncs()
    os._exit(code)


class Ending:
    """Signals that ask for the end, and a wait that they always interrupt.

    The kernel may hand a signal to any thread. Python runs the handler in the main thread, but does
    not interrupt a lock that this one waits on for a signal that another one got. So whoever gets a
    signal writes to the core, and the main thread waits there. What it would do it cannot do while
    a model holds the interpreter: then the core ends the process.
    """

    def __init__(self, asked: Callable[[int], None], limit_s: float) -> None:
        """``asked`` is called in the main thread with the number of each signal.

        A process that still runs ``limit_s`` after the first one is ended by the core.
        """
        from headrace_core import Signals

        self._signals = Signals(limit_s)
        self._asked = asked
        #: What was done with our signals before.
        self.replaced: dict[int, Any] = {}

    def listen(self) -> None:
        """Hear signals from now on; called in the main thread."""
        signal.set_wakeup_fd(self._signals.fileno(), warn_on_full_buffer=False)
        for number in awaited():
            # None was no handler of Python's.
            self.replaced[number] = signal.signal(number, self._handle) or signal.SIG_DFL

    def look(self) -> None:
        """Make `wait` look again; any thread may call this."""
        self._signals.look()

    def wait(self, reached: Callable[[], bool]) -> None:
        """Block until ``reached``, which is asked after each signal and each `look`."""
        while not reached():
            self._signals.wait()

    def _handle(self, number: int, frame: Any) -> None:
        self._asked(number)
