"""Addresses that let somebody wait for nothing: for a while they are not asked again.

A start has many models to ask for, and each would wait as long.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from headrace.errors import SourceAway

#: Who gives no answer for so long does not refuse, but hangs.
LONG_S: Final = 20.0
#: For so long it is not asked again.
REST_S: Final = 60.0
#: Who waits for so long is told what for.
TOLD_S: Final = 10.0


class Silence:
    """Any thread may call this."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Address → when it had been waited for in vain.
        self._since: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Check that an address may be asked.

        Raises:
            SourceAway: it let somebody wait in vain a moment ago.
        """
        since = self._clock() - self._since.get(address, -REST_S)
        if since < REST_S:
            raise SourceAway(
                f"{address} gave no answer {since:.0f} s ago, and is asked again in a while"
            )

    @contextmanager
    def heard(self, address: str, say: Callable[[str], None]) -> Iterator[None]:
        """Ask an address meanwhile; ``say`` hears that it is waited for, if that takes long."""
        began = self._clock()
        told = threading.Timer(TOLD_S, say, (f"waits for an answer of {address}",))
        told.daemon = True
        told.start()
        try:
            yield
        except SourceAway:
            if (now := self._clock()) - began >= LONG_S:
                self._since[address] = now
            raise
        finally:
            told.cancel()
