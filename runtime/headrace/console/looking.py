"""How it goes, read once a second while somebody looks, for all who do."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from headrace.console import board
from headrace.console.answering import THREADS, AllBusy
from headrace.console.rates import Reading, rates
from headrace.console.scraping import scrape
from headrace.console.sources import Sources
from headrace.console.steering import course_json
from headrace.execution.voices import OURSELVES, line
from headrace.registry.redacting import trace

#: Between two readings.
EVERY_S: Final = 1.0
#: Rates are over so many seconds, or as many as there have been.
OVER: Final = 5
#: Of a rollout, the newest of what was said.
MOST_SAID: Final = 20


class Looking:
    """The console's loop alone calls these."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._readings: deque[Reading] = deque(maxlen=OVER + 1)
        self._lookers: dict[object, Callable[[], None]] = {}
        self._task: asyncio.Task[None] | None = None
        #: How often it was read, and what was found.
        self.number = 0
        self.found: Mapping[str, Any] = {}

    @contextmanager
    def looked(self, wake: Callable[[], None]) -> Iterator[None]:
        """Read while this is open, and call ``wake`` after each time."""
        key = object()
        self._lookers[key] = wake
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            yield
        finally:
            del self._lookers[key]
            if not self._lookers:
                self._task.cancel()
                self._task = None
                self._readings.clear()

    async def _run(self) -> None:
        while True:
            try:
                self.found = await THREADS.run(self._read)
            except AllBusy:
                # Who asks goes before who looks.
                pass
            except Exception as error:
                told = f"the console: {trace(error)}"
                self._sources.logbook.take(line(OURSELVES, "err", told))
            else:
                self.number += 1
                for wake in list(self._lookers.values()):
                    wake()
            await asyncio.sleep(EVERY_S)

    def _read(self) -> Mapping[str, Any]:
        status = self._sources.board.status()
        return {
            "status": board.as_json(status),
            "rates": self._rates(status.addresses.get("metrics", "")),
            "lines": self._sources.logbook.taken,
            "rollouts": [
                course_json(one, MOST_SAID)
                for one in self._sources.rollouts.all()
                if one.end is None
            ],
        }

    def _rates(self, address: str) -> Mapping[str, Any]:
        try:
            self._readings.append(scrape(address))
        except (OSError, ValueError):
            # No gateway serves at the moment: there is nothing to count.
            return {}
        found = rates(self._readings[0], self._readings[-1])
        return {label: asdict(one) for label, one in found.items()}
