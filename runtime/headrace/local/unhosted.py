"""A version that the gateway carries itself, as a run of one process sees it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

from headrace.errors import HeadraceError
from headrace.execution.hangs import Hang
from headrace.execution.unhosted import Carry, CoreCarriage, Word, read, words
from headrace.execution.voices import Sink, legible, line
from headrace.models import Tensor
from headrace.models.lifecycle import BEGIN, Standing, State
from headrace.repository.folder import Version


class UnhostedRunner:
    """In the place of a `Runner`: it loads nothing, and waits until the version serves."""

    #: On this machine.
    threads = 0
    lanes = 0

    def __init__(
        self, version: Version, carry: Carry, sink: Sink, moved: Callable[[Standing], None]
    ) -> None:
        self.version = version
        self.digest = ""
        self.standing = BEGIN
        self.since = monotonic()
        #: What a row of the model's inputs is, once that is known; empty without rows.
        self.inputs: Sequence[Tensor] = ()
        #: It has served, and how often it was lost then.
        self.has_served = False
        self.losses = 0
        self._carry = carry
        self._sink = sink
        self._moved = moved
        self._carried: CoreCarriage | None = None
        self._ends = False
        self._lock = threading.Lock()

    @property
    def is_lost(self) -> bool:
        """Whether it has served and is waited for: the gateway lets its requests wait."""
        return self.has_served and self.standing.state is State.LOADING

    def start(self, expected: str = "") -> bool:
        """Have it carried; False where it does not serve yet: a thread of its own follows that.

        ``expected``: the digest that the version's file must have; empty if it may be any.
        """
        self._move(State.LOADING, f"the gateway carries {self.version.folder}")
        try:
            carriage = read(self.version)
            self.digest = carriage.digest
            self._carried = self._carry(carriage)
        except (HeadraceError, OSError, ValueError) as error:
            self._move(State.FAILED, f"{type(error).__name__}: {error}")
            return False
        said = words(carriage, self._carried)
        first = next(said, None)
        serves = first is not None and self._take(first)
        threading.Thread(
            target=self._follow, args=(said,), name=self.version.label, daemon=True
        ).start()
        return serves

    def stop(self, limit_s: float) -> bool:
        """Send nothing more; False when a request is still unanswered after ``limit_s``."""
        with self._lock:
            self._ends = True
            served = self.standing.state is State.READY
            if served:
                self._move(State.DRAINING, "finishing what was accepted")
        clean = self._carried is None or self._carried.close(limit_s)
        if served:
            unfinished = f"not all was answered after {limit_s:g} s"
            self._move(State.GONE, "drained" if clean else unfinished)
        return clean

    def change(self, version: Version) -> None:
        """Do nothing: model.yaml is for versions that run here."""

    def say_where_it_hangs(self, hang: Hang) -> None:
        """Do nothing: no batch of it runs here."""

    def give_up(self, hang: Hang) -> None:
        """Do nothing: no batch of it runs here."""

    def _follow(self, said: Iterator[Word]) -> None:
        for word in said:
            self._take(word)

    def _take(self, word: Word) -> bool:
        """Take how it stands; True where it serves."""
        with self._lock:
            if self._ends:
                return False
            if word.standing.state is State.READY:
                self.inputs, self.has_served = word.inputs, True
                self._move(State.WARMING, "its tensors are known")
                self._move(State.READY, word.standing.reason)
                return True
            if word.standing.state is State.FAILED:
                self._move(State.FAILED, word.standing.reason)
                return False
            self.losses += word.is_lost
            self.standing, self.since = word.standing, monotonic()
            self._say("log", word.standing.reason)
            self._moved(self.standing)
            return False

    def _say(self, stream: str, text: str) -> None:
        self._sink(line(self.version.label, stream, text))

    def _move(self, state: State, reason: str) -> None:
        self.standing = self.standing.move(state, legible(reason))
        self.since = monotonic()
        self._say("err" if state is State.FAILED else "log", f"{state.value}: {reason}")
        self._moved(self.standing)
