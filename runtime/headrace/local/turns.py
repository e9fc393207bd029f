"""What is loaded one after the other, for each has the whole machine to load with."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Turn:
    """Somebody's, and what is done in it."""

    who: str
    work: Callable[[], None]
    #: Done after it, where others have gone on meanwhile.
    end: Callable[[], None] | None = None


class Turns:
    """Any thread may call any of this."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Turn] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._now: Turn | None = None

    def begin(self) -> None:
        """Take one turn after the other, in a thread of their own."""
        threading.Thread(target=self._take, name="loads", daemon=True).start()

    def put(self, who: str, work: Callable[[], None]) -> None:
        """Have ``work`` done when it is its turn."""
        self._waiting.put(Turn(who, work))

    def end(self, who: str, end: Callable[[], None]) -> None:
        """Have ``end`` done after what was put for ``who``; nobody waits for that any more.

        It may never return: what it does is not wanted, and others go on.
        """
        with self._lock:
            now = self._now
            if now is None or now.who != who:
                self._waiting.put(Turn(who, end))
                return
            now.end, self._now = end, None
        self.begin()

    def _take(self) -> None:
        while True:
            turn = self._waiting.get()
            with self._lock:
                self._now = turn
            turn.work()
            with self._lock:
                if turn.end is None:
                    self._now = None
            if turn.end is not None:
                turn.end()
                return
