"""Draw what `measure.py` wrote: goodput over offered load, and latency over offered load.

python load_tests/batching/plots.py target/batching.json docs/batching.png
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import scenarios
from matplotlib import pyplot as plt

COLOURS = {True: "tab:blue", False: "tab:orange"}
NAMES = {True: "deadlines and priorities told", False: "first come, first served"}


def draw(figures: dict[str, Any], picture: Path) -> None:
    """Draw both panels."""
    mpl.use("Agg")
    drawn, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for guarded in (True, False):
        rows = [row for row in figures["goodput"] if row["guarded"] is guarded]
        offered = [row["times"] for row in rows]
        in_time = [100 * row["in_time_of_capacity"] for row in rows]
        left.plot(offered, in_time, "o-", color=COLOURS[guarded], label=NAMES[guarded])
        p99 = [row["priority_1"]["latency_ms"].get("p99") for row in rows]
        right.plot(offered, p99, "o-", color=COLOURS[guarded], label=NAMES[guarded])
    left.plot(
        [0.5, 1, 4], [50, 100, 100], ":", color="grey", label="what the device could do at best"
    )
    left.set_ylabel("answers within 100 ms, % of capacity")
    left.set_ylim(bottom=0)
    right.axhline(scenarios.DEADLINE_MS, linestyle=":", color="grey", label="deadline")
    right.set_ylabel("p99 of the higher priority, ms")
    right.set_yscale("log")
    for panel in (left, right):
        panel.set_xlabel("offered, times capacity")
        panel.legend(fontsize="small")
        panel.grid(alpha=0.3)
    drawn.savefig(picture, dpi=110)


def main() -> int:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("figures", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    draw(json.loads(options.figures.read_text()), options.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
