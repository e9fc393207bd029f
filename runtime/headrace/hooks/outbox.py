"""Events that a hook is still to be told of, in files."""

from dataclasses import dataclass
from typing import Any, ClassVar

from headrace import spool
from headrace.hooks import event
from headrace.hooks.event import Event, Kind


@dataclass(frozen=True)
class Waiting:
    """An event in a file."""

    number: int
    kind: Kind
    bytes: int


class Outbox(spool.Spool[Event, Waiting]):
    """Of one hook; steps of rollouts go first where there is no room, and their ends last."""

    what: ClassVar[str] = "events for a hook"
    one: ClassVar[str] = "event for a hook"
    most_bytes: ClassVar[int] = event.MOST_BYTES

    def filed(self, number: int, item: Event, size: int) -> Waiting:
        """As `headrace.spool.Spool` has it."""
        return Waiting(number, item.kind, size)

    def as_json(self, item: Event) -> Any:
        """As `headrace.spool.Spool` has it."""
        return event.as_json(item)

    def from_json(self, found: Any) -> Event:
        """As `headrace.spool.Spool` has it."""
        return event.from_json(found)

    def first(self) -> tuple[Waiting, Event] | None:
        """Return the oldest, if there is one."""
        while self.pending:
            # One that cannot be read any more is none of the pending after this.
            for found in self.oldest(lambda _: True, 1, 0):
                return found
        return None
