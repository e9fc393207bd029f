"""Whether memory and latency stayed as they were. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.soak.pressure import PROTOCOLS, Figures

#: Minutes that are compared: the first after what a server needs to settle, and the last.
SETTLE: Final = 5
SPAN: Final = 10
#: How much more the last may be than the first.
MORE_MIB: Final = 20.0
TIMES_P99: Final = 1.5
#: Processes whose memory is ours; Ray's own grow by their logs of events.
OURS: Final = ("gateway", "host")


@dataclass(frozen=True)
class Minute:
    """What was seen within a minute."""

    figures: dict[str, Figures]
    #: MiB of each kind of process, all of a kind together.
    memory: dict[str, float]
    #: A host was killed within it, or came back.
    struck: str = ""
    #: What callers with other habits were told: "slow 503" → calls.
    told: dict[str, int] = field(default_factory=dict)
    wrong: int = 0


def faults(minutes: Sequence[Minute]) -> list[str]:
    """Return what was not as it should be."""
    found = [
        f"{minute.wrong} answers were not their callers' own" for minute in minutes if minute.wrong
    ]
    for number, minute in enumerate(minutes):
        for protocol, seen in minute.figures.items():
            if seen.failed and not minute.struck:
                found.append(f"minute {number}, {protocol}: {seen.failed} calls failed")
    if len(minutes) < SETTLE + 2 * SPAN:
        return [*found, f"{len(minutes)} minutes are too few to tell whether anything grows"]
    first, last = minutes[SETTLE : SETTLE + SPAN], minutes[-SPAN:]
    for kind in OURS:
        before, after = (median(one.memory[kind] for one in span) for span in (first, last))
        if after - before > MORE_MIB:
            found.append(f"{kind}: {before:.0f} MiB became {after:.0f} MiB")
    for protocol in PROTOCOLS:
        before, after = (
            median(one.figures[protocol].p99_ms for one in span if not one.struck)
            for span in (first, last)
        )
        if after > TIMES_P99 * before:
            found.append(f"{protocol}: a p99 of {before:.2f} ms became {after:.2f} ms")
    return found
