"""What a rollout has seen, as a picture: for registries, which show it beside the verdict."""

import math
import textwrap
from io import BytesIO
from typing import TYPE_CHECKING, Final

from headrace.repository.instances import spoken
from headrace.rollout.counted import dense
from headrace.rollout.course import Course, against
from headrace.rollout.evidence import Evidence
from headrace.rollout.latency import EDGES_NS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Pixels an inch.
DPI: Final = 110
#: Characters of a line above the picture, and as many lines at most.
LINE, MOST_LINES = 110, 4
GOOD, BAD, NEUTRAL = "tab:blue", "tab:red", "tab:gray"


def png(course: Course) -> bytes:
    """Return a PNG: each metric beside what is allowed of it, and the latency of both versions.

    Takes a second the first time, for matplotlib.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.4), layout="constrained")
    metrics, latency = figure.subplots(1, 2)
    _metrics(metrics, course)
    _latency(latency, course)
    # Whoever named the model has not written mathematics.
    figure.suptitle(_title(course), fontsize="medium", x=0.01, ha="left", parse_math=False)
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _title(course: Course) -> str:
    ended = "goes on" if course.end is None else course.end.value
    why = course.said[-1].why if course.said else ""
    said = f"{course.model}: {against(course.plan, *course.versions)}, {ended}: {why}"
    return "\n".join(textwrap.wrap(said, LINE, max_lines=MOST_LINES, placeholder=" …"))


def _metrics(axes: "Axes", course: Course) -> None:
    """Draw where the difference of each metric is, in percentage points; worse is to the right."""
    known = [one for one in course.record.evidence if one.candidate.count]
    axes.set_title("how much worse the candidate is, in points", fontsize="small")
    axes.axvline(0, color=NEUTRAL, linewidth=1)
    for row, one in enumerate(reversed(known)):
        centre, low, high, limit = interval(one, course.plan.alpha)
        colour = BAD if one.log_harm >= math.log(1 / course.plan.alpha) else GOOD
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot([centre], [row], "o", color=colour)
        axes.plot([limit, limit], [row - 0.35, row + 0.35], color=BAD, linestyle=":")
    axes.set_yticks(range(len(known)), [one.criterion.name for one in reversed(known)])
    axes.set_ylim(-0.7, max(len(known), 1) - 0.3)
    if known:
        axes.set_xlabel(f"dotted: allowed; lines: {100 * (1 - course.plan.alpha):.4g} % intervals")
    else:
        axes.text(0.5, 0.5, "nothing was counted", transform=axes.transAxes, ha="center")


def interval(known: Evidence, alpha: float) -> tuple[float, float, float, float]:
    """Return the difference, its interval and what is allowed, in percentage points.

    Of a metric without a pair it is the candidate's own rate, and no interval is known.
    """
    limit = 100 * known.criterion.margin
    if not known.criterion.paired:
        rate = 100 * known.candidate_rate
        return rate, rate, rate, limit
    low, high = known.spread.interval(alpha)
    weight = known.spread.weight
    centre = known.spread.difference / weight if weight else math.nan
    return 100 * centre, 100 * low, 100 * high, limit


def _latency(axes: "Axes", course: Course) -> None:
    """Draw what part of answers took longer than so many milliseconds."""
    axes.set_title("answers that took longer, in %", fontsize="small")
    arms = zip(("candidate", "baseline"), map(spoken, course.arms), course.latency, strict=True)
    for (name, version, latency), colour in zip(arms, (GOOD, NEUTRAL), strict=True):
        counts = dense(latency)
        total = sum(counts)
        if not total:
            continue
        slower, left = [], total
        for count in counts[: len(EDGES_NS)]:
            left -= count
            slower.append(100 * left / total)
        # From the last edge that nobody was below to the first that nobody was above.
        first = max(sum(share == 100 for share in slower) - 1, 0)
        until = len(slower) - sum(share == 0 for share in slower) + 1
        ms = [edge / 1e6 for edge in EDGES_NS[first:until]]
        label = f"{name} (version {version}), {total:,} answers"
        axes.step(ms, slower[first:until], where="post", color=colour, label=label)
    for line in course.lines or ():
        axes.axvline(line.candidate_ns / 1e6, color=BAD, linestyle=":")
    if axes.lines:
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=0.1)
        axes.set_ylim(0, 105)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.set_xlabel("ms; dotted: from where on the candidate's answers are slow")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize="x-small")
