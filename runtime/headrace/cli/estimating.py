"""How long a rollout would take, as a person reads it."""

from collections.abc import Iterator, Mapping
from typing import Any

from headrace.cli.tables import aligned


def estimate_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what ``GET /api/rollout/estimate`` says."""
    other = "itself" if told["plan"]["kind"] == "a/a" else told["baseline"]
    whole = f"{told['model']}: version {told['candidate']} against {other}"
    yield f"{whole}, if it is as good: {_whole(told)}"
    traffic = told["traffic"]
    yield (
        f"traffic of the last {traffic['over_s']:.3g} s: {traffic['requests_per_s']:.3g} "
        f"requests/s in {traffic['units_per_s']:.3g} executions/s"
        f"{'' if told['fits'] is None else _units(told)}"
    )
    if told["steps"]:
        yield from aligned([("STEP", "TIME"), *_steps(told)])
    if told["metrics"]:
        yield from aligned([("METRIC", "CANDIDATE", "CONTROL", "UNITS"), *_metrics(told)])
    yield from (f"takes: {one}" for one in told["resources"])
    yield from (f"note: {one}" for one in told["notes"])


def _whole(told: Mapping[str, Any]) -> str:
    if told["fits"] is None:
        return "nothing can be said"
    if told["plan"]["kind"] == "a/a":
        return f"it ends after {told['max_hours']:.3g} h, which are max_hours"
    slowest = f"{told['slowest']} is slowest"
    if told["hours"] is None:
        return f"never decided; {slowest}"
    fits = "" if told["fits"] else ", which is too little"
    return f"{duration(told['hours'])}; max_hours are {told['max_hours']:.3g}{fits}; {slowest}"


def _units(told: Mapping[str, Any]) -> str:
    # A server of before has none.
    weights = {one["name"]: one.get("weigh_as_one", 1.0) for one in told["metrics"]}
    fewer = [name for name, weight in weights.items() if weight > 1.0]
    if not fewer:
        return ", of which each is one unit"
    return f", of which each is one unit, but {weights[fewer[0]]:.3g} are one of {', '.join(fewer)}"


def _steps(told: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    if told["measuring_hours"] != 0.0:
        yield "before, to know latency", duration(told["measuring_hours"])
    for one in told["steps"]:
        yield f"{one['percent']:g} %", duration(one["hours"])


def _metrics(told: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    never = "not known" if told["fits"] is None else "never enough"
    for one in told["metrics"]:
        yield (
            one["name"],
            f"{one['candidate_bad_percent']:.3g} % bad",
            f"{one['control_bad_percent']:.3g} % bad",
            never if one["units"] is None else f"{one['units']:.0f}",
        )


def duration(hours: float | None) -> str:
    """Return a time in the unit that people would say it in; None is never."""
    if hours is None:
        return "never"
    if hours < 2 / 60:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:.3g} h"
