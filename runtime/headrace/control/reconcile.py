"""From what is wanted and what is there to the next thing to do, one version at a time. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.models.lifecycle import Standing, State

#: How long what a version had accepted may take to finish before it ends all the same.
DRAIN_S: Final = 300.0
#: A version that is to be unloaded, until nothing of it is left.
LEAVING: Final = Standing(State.DRAINING, "finishing what it accepted, and then it is unloaded")


class Do(Enum):
    """What an engine does next about a version."""

    #: Load it.
    CARRY = "carry"
    #: Give gateways a table by which nothing new goes to it.
    QUIET = "quiet"
    #: Give them one by which it is again as it was.
    RECALL = "recall"
    #: End it, for it has nothing more to answer.
    LET_GO = "let go"
    #: Take it out of the table: nothing of it is left.
    FORGET = "forget"


@dataclass(frozen=True)
class Held:
    """A version that an engine has begun to carry."""

    #: How often it had been asked for anew by then.
    asked: int
    #: The table since which nothing new goes to it; None while it is wanted.
    quiet_since: int | None = None
    #: It was told to end.
    ends: bool = False


@dataclass(frozen=True)
class Seen:
    """What is known of a held version at this moment."""

    #: Every gateway that may route has this table, or a later one.
    acknowledged: int
    #: Calls of it wait or run.
    busy: bool
    #: Nothing of it is left.
    gone: bool


def step(asked: int | None, held: Held | None, seen: Seen) -> Do | None:
    """Return what to do about a version, or None while there is nothing, or only to wait.

    ``asked``: how often it was asked for anew; None when it is not wanted. A version that is asked
    for anew is let go first: what it had is not to be mixed with what it will have.
    """
    if held is None:
        return None if asked is None else Do.CARRY
    if held.ends:
        return Do.FORGET if seen.gone else None
    wanted = asked == held.asked
    if held.quiet_since is None:
        return None if wanted else Do.QUIET
    if wanted:
        return Do.RECALL
    return Do.LET_GO if seen.acknowledged >= held.quiet_since and not seen.busy else None
