"""On whose behalf a model works: what it asks of others is asked for them."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

#: Seconds for which the last of its callers still waits, None without a limit; and the versions
#: that wait for one of them, as ``front/2``.
Behalf = tuple[float | None, Sequence[str]]
#: Of a model that works for nobody who is known.
NOBODYS: Final[Behalf] = (None, ())


class Work(Protocol):
    """A batch, a request that is answered in parts, or one that was made up."""

    @property
    def behalf(self) -> Behalf:
        """As of now."""


@dataclass(frozen=True)
class Together:
    """Requests at work at once."""

    each: Sequence[Work]

    @property
    def behalf(self) -> Behalf:
        """As long as one of them waits, and for none who waits for one of them."""
        found = [one.behalf for one in self.each]
        limits = [left for left, _ in found if left is not None]
        callers = {caller for _, callers in found for caller in callers}
        return max(limits) if limits and len(limits) == len(found) else None, sorted(callers)


#: Of this thread, or of what runs in its event loop; a thread of a model's own has none.
working_for: ContextVar[Work | None] = ContextVar("headrace_working_for", default=None)
