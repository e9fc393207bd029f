"""Who is struck, how, and in which order. Pure: a seed gives the same order again."""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Blow(Enum):
    """What is done to a process."""

    KILL = "SIGKILL"
    #: And never continued.
    STOP = "SIGSTOP"
    #: And continued before anybody may have given it up.
    PAUSE = "SIGSTOP, SIGCONT"


#: Processes by what they are for; hosts are named by their version.
HOSTS: Final = ("quick/1", "slow/1", "wide/1")
#: Without one of these Ray ends, and the whole server begins again.
ROOTS: Final = ("raylet", "agent", "keeper")


@dataclass(frozen=True)
class Strike:
    """One blow: to which of those that answer to the name, as a number in [0, 1)."""

    victim: str
    blow: Blow
    which: float = 0.0
    #: Between SIGSTOP and SIGCONT.
    pause_s: float = 0.0
    #: Before the next one, once everything is whole again.
    rest_s: float = 0.5

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.victim} {self.blow.value}"

    @property
    def ends_gateway(self) -> bool:
        """True where the gateway that serves ends, and what it counted since its last scrape."""
        return self.begins_again or (self.victim == "gateway" and self.blow is not Blow.PAUSE)

    @property
    def begins_again(self) -> bool:
        """True where everything ends and begins again."""
        return self.victim in ROOTS and self.blow is Blow.KILL

    def bound_s(self, model: str) -> float:
        """How long a model's callers may be without a right answer."""
        if self.begins_again:
            return 30.0
        if self.victim == "gateway":
            return 2.0
        return 10.0 if self.victim.partition("/")[0] == model else 1.0


#: Gateways twice, for they are the ones that everybody depends on.
DECK: Final = (
    *((host, blow) for host in HOSTS for blow in (Blow.KILL, Blow.STOP)),
    ("slow/1", Blow.PAUSE),
    *(("gateway", blow) for blow in (Blow.KILL, Blow.STOP) * 2),
    ("gateway", Blow.PAUSE),
    ("standby", Blow.KILL),
    ("standby", Blow.STOP),
    *(("controller", blow) for blow in Blow),
    ("gcs", Blow.KILL),
    ("gcs", Blow.STOP),
    ("raylet", Blow.KILL),
    ("raylet", Blow.STOP),
    ("agent", Blow.KILL),
    ("keeper", Blow.KILL),
    ("keeper", Blow.STOP),
    ("serve", Blow.PAUSE),
)

#: One of each kind, for a run of a minute.
SHORT: Final = (
    ("slow/1", Blow.KILL),
    ("wide/1", Blow.STOP),
    ("gateway", Blow.KILL),
    ("gateway", Blow.STOP),
    ("standby", Blow.KILL),
    ("controller", Blow.KILL),
    ("gcs", Blow.KILL),
    ("raylet", Blow.KILL),
)

#: What a pause may last at most: less than what each of them is given (headrace.serve.standstill).
LONGEST_PAUSE_S: Final = {"gateway": 0.5, "serve": 5.0}


def plan(seed: int, strikes: int, deck: tuple[tuple[str, Blow], ...] = DECK) -> tuple[Strike, ...]:
    """Return so many strikes: the deck is shuffled, dealt, and shuffled again."""
    dice = random.Random(seed)
    dealt: list[Strike] = []
    while len(dealt) < strikes:
        cards = list(deck)
        dice.shuffle(cards)
        for victim, blow in cards:
            longest = LONGEST_PAUSE_S.get(victim, 2.0) if blow is Blow.PAUSE else 0.0
            dealt.append(
                Strike(
                    victim,
                    blow,
                    which=dice.random(),
                    pause_s=dice.uniform(longest / 5, longest),
                    rest_s=dice.uniform(0.3, 1.5),
                )
            )
    return tuple(dealt[:strikes])
