"""What happens to versions and to what is wanted of them, told to whoever follows."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

from headrace.control.store import Entry
from headrace.models.lifecycle import Standing, State
from headrace.repository.instances import original

#: Events that are kept for those who come back, or are slow.
MOST_KEPT: Final = 1000


@dataclass(frozen=True)
class Moved:
    """A version came to another state."""

    model: str
    version: int
    standing: Standing


@dataclass(frozen=True)
class Event:
    """Something that happened, and its place among all else that did."""

    number: int
    happened: Moved | Entry


def moves(before: Mapping[str, Standing], now: Mapping[str, Standing]) -> Iterator[Moved]:
    """Yield what became of versions, by label; who is not there any more is gone.

    A rollout tells of its control.
    """
    for label in sorted({*before, *now}):
        if original(label) != label:
            continue
        standing = now.get(label, Standing(State.GONE, "it was unloaded"))
        if standing != before.get(label):
            model, _, number = label.rpartition("/")
            yield Moved(model, int(number), standing)


class Events:
    """The last ones. Any thread may call any of this, and nobody waits for who follows."""

    def __init__(self, term: int, most_kept: int = MOST_KEPT) -> None:
        """``term``: of who decides; numbers begin anew in each."""
        self.term = term
        self._lock = threading.Lock()
        self._kept: deque[Event] = deque(maxlen=most_kept)
        self._number = 0
        self._stood: Mapping[str, Standing] = {}
        self._followers: dict[object, Callable[[], None]] = {}

    @property
    def newest(self) -> int:
        """The number of the last event; 0 before the first."""
        with self._lock:
            return self._number

    def publish(self, happened: Moved | Entry) -> None:
        """Keep what happened, and wake those who follow."""
        with self._lock:
            self._number += 1
            self._kept.append(Event(self._number, happened))
        self.wake()

    def wake(self) -> None:
        """Wake those who follow, for more may follow by itself than before."""
        with self._lock:
            followers = list(self._followers.values())
        for wake in followers:
            wake()

    def stand(self, standings: Mapping[str, Standing]) -> None:
        """Publish what has changed of how versions stand; one thread at a time calls this."""
        before, self._stood = self._stood, dict(standings)
        for moved in moves(before, standings):
            self.publish(moved)

    def after(self, number: int) -> Sequence[Event] | None:
        """Return the events after one; None where some of them are kept no more, or are to come."""
        with self._lock:
            missing = self._number - number
            if not 0 <= missing <= len(self._kept):
                return None
            return list(islice(self._kept, len(self._kept) - missing, None))

    @contextmanager
    def followed(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have ``wake``, which must not block, called after each event while this is open."""
        key = object()
        with self._lock:
            self._followers[key] = wake
        try:
            yield
        finally:
            with self._lock:
                del self._followers[key]
