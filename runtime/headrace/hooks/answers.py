"""What follows from a receiver's answer. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final

#: What failed for longer is not told any more.
MOST_AGE_S: Final = 24 * 3600.0
#: Of refusals those that say "not now".
NOT_NOW: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


@dataclass(frozen=True)
class Answer:
    """Of a receiver, or what came instead."""

    #: None where none came, which ``error`` says.
    status: int | None
    error: str = ""
    #: As the header has it.
    retry_after: str = ""

    @property
    def words(self) -> str:
        """What people are told of it."""
        return self.error or f"it answered {self.status}"


class Verdict(Enum):
    """What becomes of an event after a try."""

    TAKEN = "taken"
    #: The receiver does not take this one.
    REFUSED = "refused"
    #: The receiver wants nothing any more.
    GONE = "gone"
    AGAIN = "again"
    #: It has been tried for too long.
    TOO_OLD = "too old"


def verdict(answer: Answer, age_s: float) -> Verdict:
    """Return what becomes of an event that was answered so, so long after it happened."""
    match answer.status:
        case int(status) if 200 <= status < 300:
            return Verdict.TAKEN
        case HTTPStatus.GONE:
            return Verdict.GONE
        case int(status) if 400 <= status < 500 and status not in NOT_NOW:
            return Verdict.REFUSED
    return Verdict.AGAIN if age_s < MOST_AGE_S else Verdict.TOO_OLD


def wait_s(answer: Answer, backoff_s: float, now: float) -> float:
    """Return for how long to wait before the next try.

    Args:
        answer: of the last one; what its ``Retry-After`` says is the least, up to `MOST_AGE_S`.
        backoff_s: what it would be without.
        now: seconds since 1970.
    """
    text, asked_s = answer.retry_after.strip(), 0.0
    if text.isascii() and text.isdigit():
        # What has more digits is beyond the bound, too.
        asked_s = float(text[:18])
    elif text:
        with suppress(ValueError, OverflowError):  # that says nothing
            date = parsedate_to_datetime(text)
            asked_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    return min(max(asked_s, backoff_s), MOST_AGE_S)
