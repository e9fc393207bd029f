"""A word, now and then, while something takes long."""

import threading
from collections.abc import Callable
from typing import Final

#: What takes less needs no explanation.
FIRST_S: Final = 30.0


class Reminder:
    """Calls back after a while, and then ever more rarely, until it is cancelled."""

    def __init__(self, speak: Callable[[], None], first_s: float = FIRST_S) -> None:
        """``speak`` is called on a thread of its own."""
        self._speak = speak
        self._pause_s = first_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._cancelled = False

    def start(self) -> None:
        """Begin to count."""
        with self._lock:
            if self._cancelled:
                return
            self._timer = threading.Timer(self._pause_s, self._remind)
            self._timer.daemon = True
            self._timer.start()

    def cancel(self) -> None:
        """Say no more; once or more, started or not."""
        with self._lock:
            self._cancelled = True
            if self._timer is not None:
                self._timer.cancel()

    def _remind(self) -> None:
        if not self._cancelled:
            self._speak()
        self._pause_s *= 2
        self.start()
