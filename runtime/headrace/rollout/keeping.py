"""A rollout as the database keeps it."""

import json
from dataclasses import asdict
from typing import Any

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.counted import Seen, Totals
from headrace.rollout.course import Course, End, Said
from headrace.rollout.latency import SlowLines
from headrace.rollout.record import Record
from headrace.rollout.swings import Swings


def to_json(course: Course) -> dict[str, Any]:
    """Return what `from_json` makes an equal course of."""
    return {
        "number": course.number,
        "model": course.model,
        "plan": course.plan.model_dump(mode="json", exclude_unset=True),
        "who": course.who,
        "why": course.why,
        "began_unix_ms": course.began_unix_ms,
        "record": json.loads(course.record.to_json()),
        "lines": None if course.lines is None else [asdict(line) for line in course.lines],
        "seen": [
            [[began, since, totals.as_json()] for began, since, totals in seen.counts]
            for seen in course.seen
        ],
        "latency": [[list(pair) for pair in one] for one in course.latency],
        "crashes": list(course.crashes),
        "watched_s": course.watched_s,
        "is_told": course.is_told,
        "compared_s": course.compared_s,
        "sticky": course.sticky,
        "swings": asdict(course.swings),
        "said": [asdict(one) for one in course.said],
        "end": course.end,
    }


def from_json(kept: dict[str, Any]) -> Course:
    """Return the rollout that `to_json` made this of."""
    lines, end = kept["lines"], kept["end"]
    seen = [
        Seen(
            tuple(
                (int(began), int(since), Totals.from_json(totals)) for began, since, totals in one
            )
        )
        for one in kept["seen"]
    ]
    latency = [tuple((int(place), int(count)) for place, count in one) for one in kept["latency"]]
    return Course(
        number=kept["number"],
        model=kept["model"],
        plan=RolloutPlan.model_validate(kept["plan"]),
        who=kept["who"],
        why=kept["why"],
        began_unix_ms=kept["began_unix_ms"],
        record=Record.from_json(json.dumps(kept["record"])),
        lines=None if lines is None else tuple(SlowLines(**line) for line in lines),
        seen=(seen[0], seen[1]),
        latency=(latency[0], latency[1]),
        crashes=(kept["crashes"][0], kept["crashes"][1]),
        watched_s=kept["watched_s"],
        is_told=kept["is_told"],
        compared_s=kept.get("compared_s", 0.0),
        sticky=kept.get("sticky", ""),
        swings=Swings.from_json(kept.get("swings", {})),
        said=tuple(Said(**one) for one in kept["said"]),
        end=None if end is None else End(end),
    )
