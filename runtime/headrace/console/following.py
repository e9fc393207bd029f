"""Events as they are sent to those who follow, each at his own pace."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, Final

from headrace.console.deciding import entry_json
from headrace.console.looking import Looking
from headrace.control.events import Event, Events, Moved

#: At once. Each has one of the console's connections.
MOST_FOLLOWERS: Final = 16
#: Readings that one who looks may not have taken.
MOST_LATE: Final = 10


class TooManyFollow(Exception):
    """Nobody else may follow."""


class Followers:
    """Who follows the events. The console's loop alone calls these."""

    def __init__(self, events: Events, looking: Looking, most: int = MOST_FOLLOWERS) -> None:
        self._events = events
        self._looking = looking
        self._most = most
        self._open: set[Follower] = set()

    def follow(
        self, last_id: str, abort: Callable[[], None], *, looks: bool = False
    ) -> AsyncIterator[str]:
        """Return what is sent to one more.

        Args:
            last_id: of the last event that he has had; empty where he had none.
            abort: ends his connection, whatever is still to be sent.
            looks: he is told how it goes, too, once a second.

        Raises:
            TooManyFollow: as many as may follow do.
        """
        if len(self._open) >= self._most:
            raise TooManyFollow
        looking = self._looking if looks else None
        follower = Follower(self._events, looking, last_id, abort)
        self._open.add(follower)
        return self._told(follower)

    def end(self) -> None:
        """Have nobody follow any more."""
        for one in list(self._open):
            one.end()

    async def _told(self, follower: "Follower") -> AsyncIterator[str]:
        try:
            async for text in follower.told():
                yield text
        finally:
            self._open.discard(follower)


class Follower:
    """One who follows: where he is, and whether there is more."""

    def __init__(
        self, events: Events, looking: Looking | None, last_id: str, abort: Callable[[], None]
    ) -> None:
        self._events = events
        self._looking = looking
        self._looks = looking.number if looking else 0
        self._abort = abort
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        number = number_of(last_id, events.term)
        self._missed = number is None or events.after(number) is None
        self._number = events.newest if number is None or self._missed else number

    def end(self) -> None:
        """Send nothing more."""
        self._ended = True
        self._woken.set()

    async def told(self) -> AsyncIterator[str]:
        """Yield what is sent, for as long as he keeps up."""
        with ExitStack() as held:
            held.enter_context(self._events.followed(self._wake))
            if self._looking is not None:
                held.enter_context(self._looking.looked(self._look))
            yield message("begin", self._id(self._number), {"missed": self._missed})
            while not self._ended:
                self._woken.clear()
                fresh = self._events.after(self._number)
                if fresh is None:
                    break
                for one in fresh:
                    yield told(one, self._id(one.number))
                    self._number = one.number
                if self._looking is not None and self._looks != self._looking.number:
                    self._looks = self._looking.number
                    yield message("look", "", self._looking.found)
                await self._woken.wait()

    def _id(self, number: int) -> str:
        return f"{self._events.term}-{number}"

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the console was closed meanwhile
            self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        self._woken.set()
        late = self._looking.number - self._looks if self._looking is not None else 0
        if self._events.after(self._number) is None or late > MOST_LATE:
            # What he has not had is kept no more, or of no use. Nothing can be said: his connection
            # is full.
            self._abort()


def number_of(event_id: str, term: int) -> int | None:
    """Return the number of an event's id, ``TERM-NUMBER``; None where it is none of this term."""
    of, _, number = event_id.partition("-")
    if of != str(term) or not (number.isdecimal() and number.isascii() and len(number) < 19):
        return None
    return int(number)


def told(event: Event, event_id: str) -> str:
    """Return an event as it is sent."""
    happened = event.happened
    if isinstance(happened, Moved):
        facts = {
            "model": happened.model,
            "version": happened.version,
            "state": happened.standing.state.value,
            "reason": happened.standing.reason,
        }
        return message("version", event_id, facts)
    return message("journal", event_id, entry_json(happened))


def message(kind: str, event_id: str, facts: Mapping[str, Any]) -> str:
    """Return a server-sent event; one without an id is not to be resumed from."""
    numbered = f"id: {event_id}\n" if event_id else ""
    # JSON has no line breaks, whatever a reason has.
    return f"event: {kind}\n{numbered}data: {json.dumps(facts)}\n\n"
