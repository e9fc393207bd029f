"""Rate, latency and memory over an hour, and each blow where it fell."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from tests.soak.pressure import PROTOCOLS
from tests.soak.verdict import Minute


def draw(minutes: Sequence[Minute], path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(12, 9), layout="tight")
    rates, latency, memory = figure.subplots(3, 1, sharex=True)
    at = range(1, len(minutes) + 1)
    for protocol in PROTOCOLS:
        seen = [minute.figures[protocol] for minute in minutes]
        rates.plot(at, [one.rate for one in seen], label=protocol)
        (line,) = latency.plot(at, [one.p99_ms for one in seen], label=f"{protocol} p99")
        half = [one.p50_ms for one in seen]
        latency.plot(at, half, ":", color=line.get_color(), label=f"{protocol} p50")
    for kind in sorted({kind for minute in minutes for kind in minute.memory}):
        memory.plot(at, [minute.memory.get(kind, 0.0) for minute in minutes], label=kind)
    for number, minute in zip(at, minutes, strict=True):
        if minute.struck:
            for axes in (rates, latency, memory):
                axes.axvline(number, color="0.85", linewidth=4, zorder=0)
    rates.set_ylabel("right answers a second")
    latency.set_ylabel("ms")
    latency.set_yscale("log")
    for ticks in (latency.yaxis.set_major_formatter, latency.yaxis.set_minor_formatter):
        ticks(ScalarFormatter())
    memory.set_ylabel("MiB (PSS)")
    memory.set_xlabel("minutes; grey: a host was killed, or came back")
    for axes in (rates, latency, memory):
        axes.set_ylim(bottom=None if axes is latency else 0)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="small")
    figure.savefig(path, dpi=110)
