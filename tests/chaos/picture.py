"""Right answers a second over time, and every strike where it fell."""

from collections import Counter
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from tests.chaos.attack import Outcome
from tests.chaos.ledger import RIGHT

#: Of a bar, in seconds.
BIN_S: Final = 0.5
#: Victims that have a colour together, in the order of the legend.
GROUPS: Final = (
    ("host", ("quick/1", "slow/1", "wide/1")),
    ("gateway", ("gateway",)),
    ("stand-by", ("standby",)),
    ("controller", ("controller",)),
    ("GCS", ("gcs",)),
    ("raylet, agent, keeper", ("raylet", "agent", "keeper")),
    ("headrace serve", ("serve",)),
)


def draw(outcome: Outcome, path: Path) -> None:
    """Write a PNG."""
    lasted_s = max((call.ended for call in outcome.calls), default=0.0) - outcome.began
    figure = Figure(figsize=(max(12.0, lasted_s / 50), 7), layout="tight")
    rates, silences = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    bins = [BIN_S * number for number in range(int(lasted_s / BIN_S) + 1)]
    for protocol in ("http", "grpc"):
        right = Counter(
            int((call.ended - outcome.began) / BIN_S)
            for call in outcome.calls
            if call.protocol == protocol and call.outcome == RIGHT
        )
        counts = [right[number] / BIN_S for number in range(len(bins))]
        rates.plot(bins, counts, linewidth=0.7, label=protocol)
    rates.set_ylabel("right answers a second")
    for number, (name, victims) in enumerate(GROUPS):
        struck = [record for record in outcome.records if record.victim in victims]
        colour = f"C{number + 2}"
        for record in struck:
            dash = "-" if "KILL" in record.strike else ":"
            rates.axvline(record.at_s, color=colour, linewidth=0.8, linestyle=dash)
        if struck:
            at, worst = zip(*((record.at_s, record.worst_s) for record in struck), strict=True)
            silences.scatter(at, worst, s=14, color=colour, label=name)
    silences.set_yscale("log")
    silences.set_ylabel("longest silence, s")
    silences.set_xlabel("seconds; solid: SIGKILL, dotted: SIGSTOP")
    for axes in (rates, silences):
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        axes.legend(**above, fontsize="small", ncols=len(GROUPS), frameon=False)
    figure.savefig(path, dpi=110)
