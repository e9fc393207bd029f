"""The life of a version: which state may follow which."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.models.shortage import Shortage


class State(Enum):
    """What a version is doing."""

    DECLARED = "declared"
    #: It is loaded when a request asks for it.
    STANDBY = "standby"
    LOADING = "loading"
    WARMING = "warming"
    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"
    FAILED = "failed"


#: States that lead to READY by themselves.
ON_THE_WAY: Final = frozenset({State.DECLARED, State.LOADING, State.WARMING})

NEXT: Final[dict[State, frozenset[State]]] = {
    State.DECLARED: frozenset({State.STANDBY, State.LOADING, State.GONE}),
    State.STANDBY: frozenset({State.LOADING, State.GONE}),
    State.LOADING: frozenset({State.WARMING, State.FAILED}),
    State.WARMING: frozenset({State.READY, State.FAILED}),
    # Back to loading: its process died and another one takes its place.
    State.READY: frozenset({State.DRAINING, State.FAILED, State.LOADING}),
    State.DRAINING: frozenset({State.STANDBY, State.GONE}),
    State.FAILED: frozenset({State.LOADING, State.GONE}),
    State.GONE: frozenset(),
}

#: Requests for a version that stands so are answered, now or once it is loaded for them.
ANSWERING: Final = frozenset({State.READY, State.STANDBY})

#: State → the word for it in Triton's repository index and in the policy table.
INDEX_STATES: Final[dict[State, str]] = {
    State.DECLARED: "UNAVAILABLE",
    State.STANDBY: "UNAVAILABLE",
    State.LOADING: "LOADING",
    State.WARMING: "LOADING",
    State.READY: "READY",
    State.DRAINING: "UNAVAILABLE",
    State.GONE: "UNAVAILABLE",
    State.FAILED: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Standing:
    """A state, and why it is so in words that a person understands."""

    state: State
    reason: str
    #: Of one that failed since there was not enough memory: others may be let go for it.
    short: Shortage | None = None

    def move(self, state: State, reason: str, short: Shortage | None = None) -> "Standing":
        """Return the standing after a legal move.

        Raises:
            ValueError: ``state`` may not follow this one; nothing has changed.
        """
        if state not in NEXT[self.state]:
            raise ValueError(f"a version that is {self.state.value} cannot become {state.value}")
        return Standing(state, reason, short)


BEGIN: Final = Standing(State.DECLARED, "found in the repository")
