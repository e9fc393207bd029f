"""Tells one hook what waits for it, in its order, from a thread of its own."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from headrace.config.hooks import Hook
from headrace.errors import StateInvalid
from headrace.hooks.answers import Answer, Verdict, verdict, wait_s
from headrace.hooks.event import Event
from headrace.hooks.outbox import Outbox, Waiting
from headrace.hooks.sending import post
from headrace.hooks.signing import signed
from headrace.registry.redacting import trace
from headrace.retrying import Retry, jittered
from headrace.spool import BOUNDS, Bounds


def _random_name() -> str:
    return uuid.uuid4().hex


class Post(Protocol):
    """Posts a body; see `headrace.hooks.sending.post`."""

    def __call__(self, hook: Hook, headers: dict[str, str], body: bytes) -> Answer:
        """Return what came of it."""


@dataclass(frozen=True)
class Standing:
    """How a hook stands, since this process began."""

    number: int
    #: Without what may be a secret.
    url: str
    #: Events that it is still to be told of.
    waiting: int = 0
    taken: int = 0
    #: Events for which there was no room, on the disk neither, that failed for too long, or that
    #: came after the receiver wanted nothing any more.
    dropped: int = 0
    #: Events that the receiver does not take.
    refused: int = 0
    #: Tries in a row that failed, and what was said last; empty once one went.
    tries: int = 0
    last_error: str = ""
    #: The receiver wants nothing any more.
    ended: bool = False


@dataclass(frozen=True)
class Patience:
    """What is done while a receiver is away."""

    #: How long to wait after so many tries in a row that failed, without what it asks for.
    retry: Retry = jittered
    bounds: Bounds = BOUNDS
    post: Post = post
    #: Seconds since 1970.
    clock: Callable[[], float] = time.time
    #: Returns one that no event had before.
    name: Callable[[], str] = _random_name


class Courier:
    """Any thread may call any of this."""

    def __init__(
        self,
        hook: Hook,
        key: bytes,
        folder: Path,
        say: Callable[[str], None],
        patience: Patience,
    ) -> None:
        """Go on with what an earlier process did not deliver.

        Args:
            hook: who is told.
            key: signs.
            folder: of events, this hook's alone.
            say: hears, in a line each, what fails, is refused, or has to go; it returns at once.
            patience: how much is kept while the receiver is away, and when it is tried again.

        Raises:
            StateInvalid: the folder cannot be used.
        """
        self._hook, self._key, self._patience = hook, key, patience
        self._name, self._say = f"hook {hook.number} ({hook.shown})", say
        self._standing = Standing(hook.number, hook.shown)
        self._changed = threading.Condition()
        self._sending: frozenset[int] = frozenset()
        self._closed = False
        #: Events that came after the receiver wanted nothing any more.
        self._late = 0
        #: Of the monotonic clock.
        self._due_s = 0.0
        self._outbox = Outbox(folder, patience.bounds, self._say_of)
        self._count_dropped(self._outbox.cut())
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)

    def _say_of(self, text: str) -> None:
        self._say(f"{self._name}: {text}")

    def open(self) -> None:
        """Tell from now on."""
        self._thread.start()

    def add(self, event: Event) -> None:
        """Keep an event, which is told once its turn comes; wait for no network.

        Raises:
            StateInvalid: it cannot be kept.
        """
        with self._changed:
            if self._standing.ended:
                self._came_late()
                return
            try:
                self._count_dropped(self._outbox.add(event, self._sending))
            except StateInvalid:
                self._standing = replace(self._standing, dropped=self._standing.dropped + 1)
                raise
            self._changed.notify_all()

    def standing(self) -> Standing:
        """Return how it stands."""
        with self._changed:
            return replace(self._standing, waiting=len(self._outbox.pending))

    def flush(self, until_s: float) -> None:
        """Wait for what can be told at once, until then of the monotonic clock."""
        with self._changed:
            self._changed.wait_for(self._is_idle, max(0.0, until_s - time.monotonic()))

    def close(self) -> None:
        """Begin no more; what is not taken by then stays for the next process."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_idle(self) -> bool:
        return not self._outbox.pending or (not self._sending and self._standing.tries > 0)

    def _run(self) -> None:
        while True:
            try:
                if (found := self._next()) is None:
                    return
                self._tell(*found)
            # Whatever was not foreseen: a thread that ends keeps all that is to come.
            except Exception as error:
                self._say_of(trace(error))
                with self._changed:
                    self._failed(_unforeseen(error), self._patience.clock())
                    self._rest()

    def _tell(self, waiting: Waiting, event: Event) -> None:
        body = event.body()
        headers = signed(self._key, event.id, int(self._patience.clock()), body)
        try:
            answer = self._patience.post(self._hook, headers, body)
        # Of one that can never be told a day is the end, too.
        except Exception as error:
            answer = _unforeseen(error)
        with self._changed:
            self._answered(waiting, event, answer)
            self._rest()

    def _rest(self) -> None:
        self._sending = frozenset()
        self._changed.notify_all()

    def _next(self) -> tuple[Waiting, Event] | None:
        """Return what is told next, once it is due; None at the end."""
        with self._changed:
            while not self._closed:
                wait = self._due_s - time.monotonic() if self._outbox.pending else None
                if wait is not None and wait <= 0:
                    if (found := self._outbox.first()) is not None:
                        self._sending = frozenset({found[0].number})
                        return found
                    continue
                self._changed.wait(wait)
            return None

    def _answered(self, waiting: Waiting, event: Event, answer: Answer) -> None:
        now, was = self._patience.clock(), self._standing
        found = verdict(answer, now - event.unix_ms / 1000)
        match found:
            case Verdict.TAKEN:
                self._standing = replace(was, taken=was.taken + 1, tries=0, last_error="")
            case Verdict.REFUSED:
                self._standing = replace(
                    was, refused=was.refused + 1, tries=0, last_error=answer.words
                )
                self._say_of(f"{answer.words}: {event.kind} of {event.subject} is dropped")
            case Verdict.GONE:
                self._end(answer)
                return
            case Verdict.AGAIN | Verdict.TOO_OLD:
                self._failed(answer, now)
        if found is Verdict.TOO_OLD:
            self._standing = replace(self._standing, dropped=self._standing.dropped + 1)
            self._say_of(f"{event.kind} of {event.subject} was tried for a day, and is dropped")
        if found is not Verdict.AGAIN:
            self._remove([waiting])

    def _failed(self, answer: Answer, now: float) -> None:
        was, tries = self._standing, self._standing.tries + 1
        if was.last_error != answer.words and not self._closed:
            self._say_of(f"{answer.words}: what is to be told waits, and is tried again")
        self._standing = replace(was, tries=tries, last_error=answer.words)
        self._due_s = time.monotonic() + wait_s(answer, self._patience.retry(tries), now)

    def _end(self, answer: Answer) -> None:
        gone = self._outbox.pending
        self._standing = replace(
            self._standing,
            ended=True,
            dropped=self._standing.dropped + len(gone),
            last_error=answer.words,
        )
        self._say_of(
            f"{answer.words}, that it wants nothing any more: it is told nothing until the next "
            f"start, and {len(gone)} events are dropped"
        )
        self._remove(gone)

    def _came_late(self) -> None:
        self._late += 1
        self._standing = replace(self._standing, dropped=self._standing.dropped + 1)
        # The first, and whenever it is ten times as many.
        if str(self._late).strip("0") == "1":
            self._say_of(f"it wanted nothing any more; dropped since: {self._late}")

    def _remove(self, gone: Sequence[Waiting]) -> None:
        try:
            for one in gone:
                self._outbox.remove(one)
        except StateInvalid as error:
            # It is told again by the next process; until somebody makes room nothing more is.
            self._say_of(f"{error}: it is told nothing more until the next start")
            self._closed = True

    def _count_dropped(self, gone: Sequence[Waiting]) -> None:
        if gone:
            self._standing = replace(self._standing, dropped=self._standing.dropped + len(gone))
            kinds = ", ".join(sorted({one.kind.value for one in gone}))
            self._say_of(f"there is no room for more events: {len(gone)} dropped ({kinds})")


def _unforeseen(error: Exception) -> Answer:
    return Answer(None, f"it could not be told: {type(error).__name__}")
