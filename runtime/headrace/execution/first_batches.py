"""A batch of each lane's own, before any lane has a caller's."""

import threading
from collections.abc import Callable

from headrace.execution.device.seam import Lane
from headrace.execution.voices import text_of


class FirstBatches:
    """Lanes run one each, in turns, since not every model is safe for more; then all go on.

    What a thread has of its own is made with its first batch, as its arena of memory and OpenMP's
    threads are: the first callers of a version would wait for that.
    """

    def __init__(
        self, lanes: int, run: Callable[[Lane], object], say: Callable[[str], None]
    ) -> None:
        """Begin nothing.

        Args:
            lanes: how many will come.
            run: runs a batch that has gone well before; called by a lane's thread.
            say: says what it raised this time, which keeps no lane from its callers.
        """
        self._lanes, self._say = lanes, say
        self._run: Callable[[Lane], object] | None = run
        self._turn = threading.Lock()
        self._done, self._go_on = threading.Semaphore(0), threading.Event()

    def take_part(self, lane: Lane) -> None:
        """Run this lane's, and return when every other one has."""
        with self._turn:
            try:
                if self._run is not None:
                    self._run(lane)
            except BaseException as error:
                self._say(
                    f"a lane's first batch raised {type(error).__name__}: {text_of(error)}; "
                    "serving all the same"
                )
        self.leave()
        self._go_on.wait()

    def leave(self) -> None:
        """Say that this lane needs not be waited for: it has run its own, or has ended."""
        self._done.release()

    def wait(self) -> None:
        """Return when every lane has run its own, and let them have callers'."""
        for _ in range(self._lanes):
            self._done.acquire()
        # It has samples of up to 64 MiB, and lanes live for long.
        self._run = None
        self._go_on.set()
