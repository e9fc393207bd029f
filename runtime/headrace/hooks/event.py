"""What happened, as CloudEvents 1.0 has it: structured JSON. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
#: Of an event's JSON: one with every metric, and the longest of texts, has less.
MOST_BYTES: Final = 512 << 10
#: Of each text in it.
MOST_CHARACTERS: Final = 4000


class Kind(StrEnum):
    """What an event is about; where there is no room the first is given up first."""

    STEP = "step"
    STARTED = "started"
    CLEARED = "cleared"
    DRIFTED = "drifted"
    LOST = "lost"
    FAILED = "failed"
    WAITING = "waiting"
    ENDED = "ended"


#: Kind → type, as receivers know it.
TYPES: Final[Mapping[Kind, str]] = {
    Kind.STEP: "dev.headrace.rollout.step",
    Kind.STARTED: "dev.headrace.rollout.started",
    Kind.CLEARED: "dev.headrace.drift.cleared",
    Kind.DRIFTED: "dev.headrace.drift.raised",
    Kind.LOST: "dev.headrace.version.lost",
    Kind.FAILED: "dev.headrace.version.failed",
    Kind.WAITING: "dev.headrace.rollout.waiting",
    Kind.ENDED: "dev.headrace.rollout.ended",
}


@dataclass(frozen=True)
class Happened:
    """What is told, without when, where and under which number."""

    kind: Kind
    #: The version that it is about, such as ``photos/3``.
    subject: str
    #: JSON.
    data: Mapping[str, Any]
    #: Of what a later process may tell once more: no other has it. Empty: it is told once.
    once: str = ""


@dataclass(frozen=True)
class Event:
    """It, as all hooks are told of it.

    Attributes:
        id: the same however often it is told; letters and digits.
        source: where it happened, a URI reference.
        unix_ms: when.
    """

    id: str
    source: str
    unix_ms: int
    kind: Kind
    subject: str
    data: Mapping[str, Any]

    def body(self) -> bytes:
        """Return what receivers get.

        Raises:
            ValueError: it has a number that JSON has not.
        """
        return json.dumps(self._cloud(), separators=(",", ":"), allow_nan=False).encode()

    def _cloud(self) -> dict[str, Any]:
        time = datetime.fromtimestamp(self.unix_ms / 1000, UTC)
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": TYPES[self.kind],
            "subject": self.subject,
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": self.data,
        }


def as_json(event: Event) -> dict[str, Any]:
    """Return it as it is kept."""
    return asdict(event)


def from_json(found: Mapping[str, Any]) -> Event:
    """Return what `as_json` wrote.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it did not.
    """
    event = Event(**{**found, "kind": Kind(found["kind"])})
    texts = (event.id, event.source, event.subject)
    if not all(isinstance(one, str) for one in texts) or not event.id.isalnum():
        raise ValueError("its id, source and subject are to be texts")
    if not isinstance(event.data, dict) or type(event.unix_ms) is not int:
        raise ValueError("its data is to be an object, and its time a number")
    event.body()
    return event
