"""How often judges are wrong of the same version twice, and how fast they are right of a worse one.

python -m tests.rollouts.picture target/rollouts.json docs
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from tests.rollouts.streams import SECONDS

Found = dict[str, dict[str, dict[str, list[Any]]]]

#: In the order in which they are drawn, the last on top.
COLOURS: Final = {
    "z-test each second": "tab:red",
    "Flagger's example": "tab:orange",
    "Argo's example": "tab:green",
    "Headrace": "tab:blue",
}


def draw(found: Found, folder: Path) -> None:
    """Write two PNGs into a folder."""
    _curves(
        {name: said for name, said in found.items() if name.startswith("a/a")},
        "seconds",
        "same version twice: rolled back, %",
    ).savefig(folder / "rollouts-false.png", dpi=110)
    _curves(
        {name: said for name, said in found.items() if not name.startswith("a/a")},
        "requests",
        "worse version: rolled back, %",
    ).savefig(folder / "rollouts-power.png", dpi=110)


def _curves(found: Found, over: str, label: str) -> Figure:
    """Return a figure with a panel for each scenario and metric."""
    panels = [
        (name, metric, said)
        for name, said in found.items()
        for metric in sorted({judge.split(", ")[1] for judge in said} - {"all metrics"})
    ]
    columns = 3 if len(panels) > 4 else 2
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (name, metric, said) in zip(grid.flat, panels, strict=False):
        for judge, colour in COLOURS.items():
            _curve(axes, said[f"{judge}, {metric}"], over, judge, colour)
        axes.set_title(f"{name}: {metric}" if over == "seconds" else name, fontsize="medium")
        if over == "seconds":
            axes.axhline(5, color="grey", linestyle=":", linewidth=1)
            axes.set_xlabel("seconds, a look each")
        else:
            axes.set_xscale("log")
            axes.set_xlabel("the candidate's requests")
    for row in grid:
        row[0].set_ylabel(label)
    grid[0][0].legend(fontsize="small", frameon=False)
    return figure


def _curve(axes: Any, said: dict[str, list[Any]], over: str, judge: str, colour: str) -> None:
    fired = [second is not None for second in said["seconds"]]
    at = np.sort(np.array(said[over], dtype=float)[fired])
    end = SECONDS if over == "seconds" else max(said["requests"])
    share = 100 * np.arange(1, len(at) + 1) / len(fired)
    start = 0.0 if over == "seconds" else 5.0
    axes.step(
        np.concatenate(([start], at, [end])),
        np.concatenate(([0.0], share, [share[-1] if len(share) else 0.0])),
        where="post",
        linewidth=2.2 if judge == "Headrace" else 1.2,
        color=colour,
        label=judge,
    )


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
