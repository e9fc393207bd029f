"""What callers know of their calls, and whether a scrape says the same. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Protocol = Literal["http", "grpc"]

#: The answer was the caller's own input.
RIGHT: Final = "right"
#: It was not.
WRONG: Final = "wrong"
#: The caller left before it had an answer: it is counted, but only the server knows as what.
LEFT: Final = "left"
#: The connection ended first: nobody knows.
CUT: Final = "cut"
#: There was no connection: nothing was sent.
UNREACHED: Final = "unreached"

#: Kinds of fault on the metrics page → the status that callers are told.
STATUS: Final = {
    "invalid": "400",
    "not_found": "404",
    "unsupported": "501",
    "too_large": "400",
    "overloaded": "429",
    "expired": "504",
    "cancelled": "499",
    "unavailable": "503",
    "host_lost": "503",
    "model_failed": "500",
    "model_hung": "500",
    "internal": "500",
    "slow": "408",
    "forbidden": "403",
}


@dataclass(frozen=True)
class Call:
    """One call as its caller knows it; times are of one clock, in seconds."""

    model: str
    protocol: Protocol
    began: float
    ended: float
    #: One of the words above, or the status that was told: "503".
    outcome: str
    rows: int = 1
    #: When its connection was last known to be alive, as `Caller` has it.
    alive: float = 0.0


@dataclass(frozen=True)
class Scrape:
    """The metrics page of one gateway's life."""

    #: Start of its process: another one, and everything was counted from zero again.
    born: float
    #: (model, "right" or status) → requests.
    requests: Mapping[tuple[str, str], int]
    #: Status → requests that were refused before their version was known.
    refused: Mapping[str, int]
    #: Model → rows of those that succeeded.
    rows: Mapping[str, int] = field(default_factory=dict)


def differences(calls: Iterable[Call], scrape: Scrape, doubtful: Iterable[Call] = ()) -> list[str]:
    """Return in words where callers and scrape disagree; `calls` are all of that gateway's life.

    Each call is counted once: as what its caller was told, and as anything where it left. Calls
    that were cut off or reached nobody are not among them: they belong to no gateway that lives.
    Each of the ``doubtful`` was answered as it says by this gateway or by the one before.
    """
    calls = list(calls)
    told = Counter((call.model, call.outcome) for call in calls if call.outcome != LEFT)
    left = Counter(call.model for call in calls if call.outcome == LEFT)
    perhaps = Counter((call.model, call.outcome) for call in doubtful)
    statuses = {status for _, status in [*told, *scrape.requests]} | set(scrape.refused)
    models = {model for model, _ in [*told, *scrape.requests]}
    found: list[str] = []
    surplus = 0
    for status in sorted(statuses):
        more = scrape.refused.get(status, 0)
        for model in sorted(models):
            counted, known = scrape.requests.get((model, status), 0), told[model, status]
            more += counted - known
            # Of those that were refused without a version no model's count knows.
            most = known + left[model] + perhaps[model, status] + perhaps[model, LEFT]
            if counted > most or (status == RIGHT and counted < known):
                found.append(f"{model} {status}: callers {known}, scrape {counted}")
        if more < 0:
            found.append(f"{status}: {-more} more at callers than in the scrape")
        surplus += more
    if not 0 <= surplus - sum(left.values()) <= sum(perhaps.values()):
        found.append(
            f"{sum(left.values())} callers left and {sum(perhaps.values())} were answered by this "
            f"gateway or the one before; the scrape has {surplus} more than told"
        )
    for model in sorted(scrape.rows):
        rows = sum(one.rows for one in calls if one.model == model and one.outcome == RIGHT)
        same = scrape.requests.get((model, RIGHT), 0) == told[model, RIGHT]
        if same and rows != scrape.rows[model]:
            found.append(f"{model} rows: callers {rows}, scrape {scrape.rows[model]}")
    return found


@dataclass
class Account:
    """The calls of one gateway's life; a new one begins when that gateway ends."""

    #: Calls that began before are the one's before, and so in the gap: its counts are gone.
    since: float = 0.0
    #: When that one was struck: from then until its end was noticed either may have answered, for
    #: the next one takes its ports in a millisecond, and that it is dead is seen later.
    struck: float = 0.0
    calls: list[Call] = field(default_factory=list)
    doubtful: list[Call] = field(default_factory=list)
    #: Calls that no scrape can vouch for.
    gap: int = 0

    def take(self, calls: Iterable[Call]) -> None:
        """Add what ended since."""
        for call in calls:
            if call.outcome in (CUT, UNREACHED):
                continue
            # Over a connection to the one before, whose end he has not seen, he reached nobody.
            left_over = call.outcome == LEFT and call.alive < self.since
            if call.began >= self.since and not left_over:
                self.calls.append(call)
            else:
                self.gap += 1
                if call.began >= self.struck:
                    self.doubtful.append(call)


def unexplained(calls: Iterable[Call], deaths: Iterable[float], slack_s: float) -> list[Call]:
    """Return the calls that were cut off, or reached nobody, though no gateway had ended.

    A death is noticed some time after it happened: at most ``slack_s``. After it nobody may be
    reached until the next gateway listens: that is the silence, which has its own bound.
    """
    deaths = list(deaths)

    def explained(call: Call) -> bool:
        if call.outcome == CUT:
            return any(call.alive <= death <= call.ended + slack_s for death in deaths)
        return any(death <= call.ended + slack_s for death in deaths)

    return [call for call in calls if call.outcome in (CUT, UNREACHED) and not explained(call)]
