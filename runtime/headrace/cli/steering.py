"""Rollouts as a person reads them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, Final

from headrace.cli.tables import aligned

#: Of what was said; all of it is in --json.
MOST_SAID: Final = 8
HEAD: Final = ("METRIC", "CANDIDATE", "CONTROL", "DIFFERENCE", "WORSE?", "AS GOOD?")
#: Of latencies: below it nobody needs to know why units are fewer than executions.
TOLD_EFFECT: Final = 2
#: A bar is so many characters wide.
BAR: Final = 30


def rollout_rows(rollouts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of ``GET /api/rollouts``."""
    rows = [
        (
            str(one["number"]),
            one["model"],
            f"{one['baseline']} -> {one['candidate']}",
            _time(one["said"][0]["unix_ms"]) if one["said"] else "",
            one["end"] or f"{one['percent']:g} %",
            one["said"][-1]["why"] if one["said"] else "",
        )
        for one in rollouts
    ]
    yield from aligned([("ROLLOUT", "MODEL", "VERSIONS", "BEGAN", "STATE", "WHY"), *rows])


def rollout_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield all about one rollout: where it is, what both versions did, and what was said."""
    state = one["end"] or (f"step {one['step']}" if one["step"] else "before its first step")
    yield (
        f"rollout {one['number']} of {one['model']}: version {one['candidate']} against "
        f"{'itself' if one['plan']['kind'] == 'a/a' else one['baseline']}, {state}"
    )
    yield f"{_bar(one)}  by {one['who']}{': ' if one['why'] else ''}{one['why']}"
    asked = 1 / one["plan"]["alpha"]
    yield from aligned([HEAD, *(_row(metric, asked) for metric in one["metrics"])])
    yield from _weighs_as_one(one)
    for arm in ("candidate", "baseline"):
        times = one["latency_ms"][arm]
        told = ", ".join(f"{name} {ms:.3g} ms" for name, ms in times.items() if ms is not None)
        crashes = f"; {one['crashes'][arm]} crashes" if one["crashes"][arm] else ""
        yield f"{arm} {one['arms'][arm]}: {told or 'no answers yet'}{crashes}"
    *before, last = one["said"][-MOST_SAID:]
    yield from map(said_line, before)
    # What lasts is told as it is now, and began then.
    yield ("since " if last["lasts"] else "") + said_line(last)
    if one["may_approve"] and last["what"] == "wait_for_approval":
        yield f"`headrace rollout approve {one['number']}` lets it go on"


def _weighs_as_one(one: Mapping[str, Any]) -> Iterator[str]:
    # A server of before has none.
    effects = {metric["name"]: metric.get("design_effect") or 1 for metric in one["metrics"]}
    names = [name for name, effect in effects.items() if effect >= TOLD_EFFECT]
    if names:
        yield (
            f"{', '.join(names)}: about {effects[names[0]]:.0f} weigh as one, for they are slow, "
            "or quick, for a while"
        )


def said_line(said: Mapping[str, Any]) -> str:
    """Return what was said of a rollout, and when."""
    return f"{_time(said['unix_ms'])} {said['what']}: {said['why']}"


def report_lines(rollout: Mapping[str, Any], reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield where a registry has what is known of a rollout, and what waits to be told to it."""
    begins = f"{rollout['candidate']} in {rollout['number']}-"
    for one in reports:
        # A server of before has none.
        denied = one.get("denied", {})
        mine = [parts.values() for key, parts in denied.items() if _of(rollout, key)]
        # Reports of both versions may have been denied alike.
        yield from (f"not reported: {said}" for said in dict.fromkeys(chain.from_iterable(mine)))
        places = [where for key, where in one["places"].items() if key.startswith(begins)]
        if not places:
            continue
        yield f"reported: {places[-1]}"
        if one["pending"]:
            why = f": {one['last_error']}" if one["last_error"] else ""
            yield f"{one['pending']} reports of {one['model']} wait{why}"


def _of(rollout: Mapping[str, Any], key: str) -> bool:
    """Whether a place is that of one of its versions."""
    arms = rollout["candidate"], rollout["baseline"]
    return any(key.startswith(f"{version} in {rollout['number']}-") for version in arms)


def _bar(one: Mapping[str, Any]) -> str:
    """Return how much of the traffic the candidate has, and the steps that are to come."""
    steps = " ".join(
        f"[{share:g}]" if at == one["step"] and one["end"] is None else f"{share:g}"
        for at, share in enumerate((*one["shares_percent"], 100), start=1)
    )
    percent = one["percent"]
    if percent is None:  # stopped: others divide it
        return f"traffic is as it was left; steps were {steps}"
    filled = round(BAR * percent / 100)
    return f"[{'#' * filled}{'.' * (BAR - filled)}] {percent:g} % of steps {steps}"


def _row(metric: Mapping[str, Any], asked: float) -> tuple[str, ...]:
    control = metric["control"]
    return (
        metric["name"],
        _arm(metric["candidate"]),
        f"at most {100 * metric['margin']:.3g} %" if control is None else _arm(control),
        _difference(metric),
        f"{metric['harm_odds']:.3g} of {asked:.3g}",
        f"{metric['fine_odds']:.3g} of {asked:.3g}",
    )


def _difference(metric: Mapping[str, Any]) -> str:
    if (found := metric["difference_points"]) is None:
        return ""
    means = metric["mean_difference"]
    low, high = found if means is None else means
    return f"{low:+.3g} to {high:+.3g} {'points' if means is None else 'on average'}"


def _arm(arm: Mapping[str, Any]) -> str:
    if arm["bad_percent"] is None:
        return "no units yet"
    if arm["mean"] is not None:
        return f"{arm['mean']:.4g} on average of {arm['units']:.0f}"
    return f"{arm['bad_percent']:.3g} % bad of {arm['units']:.0f}"


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%H:%M:%S")
