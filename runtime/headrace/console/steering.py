"""The console's answers about rollouts, and its words to them."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BeforeValidator, ValidationError

from headrace.config.load import explain
from headrace.config.rollouts import RolloutPlan, ValueWithin
from headrace.console import schema
from headrace.console.answering import in_thread
from headrace.console.parameters import (
    MOST,
    From,
    Misasked,
    Model,
    Number,
    OfModel,
    Who,
    Why,
    bounded,
    is_number,
)
from headrace.console.sources import Sources
from headrace.control import releasing
from headrace.control.plans import DEFAULT_PLAN, plan_of
from headrace.repository.instances import spoken
from headrace.rollout.bets import Units
from headrace.rollout.counted import Histogram, dense
from headrace.rollout.course import LASTING, MOST_SAID, Course, End
from headrace.rollout.criteria import mean, mean_change
from headrace.rollout.evidence import Evidence
from headrace.rollout.latency import QUANTILES, quantiles
from headrace.rollout.policy import needs_approval

#: A logarithm that a float's power still has.
MOST_LOG: Final = 700.0
#: Of a plan that is none.
MOST_ERRORS: Final = 10
ENDS: Final = {"promote": End.PROMOTED, "rollback": End.ROLLED_BACK, "stop": End.STOPPED}


def _one_of(text: Any) -> Any:
    if isinstance(text, str) and not is_number(text):
        raise ValueError(
            f"expected that of a rollout, not {text!r:.40}: GET /api/rollouts has them"
        )
    return text


OneOf = Annotated[int, BeforeValidator(_one_of)]
Ended = Annotated[Number, Query(description="How many that have ended, at most.")]
LastSaid = Annotated[Number, Query(description="How much of what was said, at most.")]
Plan = Annotated[str, Query(description="A name in model.yaml, or a plan as JSON.")]

router = APIRouter()


@router.get("/api/rollouts", response_model=schema.Rollouts)
@in_thread
def rollouts(
    sources: From, model: OfModel = "", ended: Ended = MOST, said: LastSaid = MOST
) -> dict[str, Any]:
    """Show those that go on and the last that have ended, as `headrace rollout list`."""
    found = sources.rollouts.all(model)
    last = [one.number for one in found if one.end is not None][-bounded(ended) :]
    shown = [one for one in found if one.end is None or one.number in last]
    return {"rollouts": [course_json(one, bounded(said)) for one in shown]}


@router.get("/api/hooks", response_model=schema.Hooks)
@in_thread
def hooks(sources: From) -> dict[str, Any]:
    """Show how what is told to hooks stands."""
    return {"hooks": [asdict(one) for one in sources.rollouts.telling.hooks()]}


@router.get("/api/reports", response_model=schema.Reports)
@in_thread
def reports(sources: From) -> dict[str, Any]:
    """Show what waits to be told to registries, and where they have what they were told."""
    return {"reports": [asdict(one) for one in sources.rollouts.telling.status()]}


@router.get("/api/rollouts/{number}", response_model=schema.Rollout)
@in_thread
def rollout(sources: From, number: OneOf) -> dict[str, Any]:
    """Show one rollout, as `headrace rollout show`."""
    return course_json(sources.rollouts.one(number))


@router.post("/api/rollout/start", response_model=schema.Rollout)
@in_thread
def start(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    model: Model,
    version: Number = 0,
    baseline: Number = 0,
    plan: Plan = "",
    why: Why = "",
) -> dict[str, Any]:
    """Give a version more and more of the traffic, as `headrace rollout start`."""
    if not version:
        raise Misasked("say which version: &version=NUMBER")
    # Before anything is held up by the question: who tagged it again has released it.
    sources.controller.quarantine.ask(model, version)
    begun = sources.rollouts.start(
        model, version, said_plan(sources, model, plan), baseline=baseline or None, who=who, why=why
    )
    return course_json(begun)


@router.post("/api/rollout/release", response_model=schema.Done)
@in_thread
def release(
    sources: From, who: Who, model: Model, version: Number = 0, why: Why = ""
) -> dict[str, Any]:
    """Let a version have traffic again that was rolled back, as `headrace rollout release`."""
    if not version:
        raise Misasked("say which version: &version=NUMBER")
    telling = sources.rollouts.telling
    releasing.release(sources.controller, telling, model, version, who=who, why=why)
    return {"model": model, "done": f"rollout release {version}"}


@router.post("/api/rollout/{word}", response_model=schema.Rollout)
@in_thread
def say(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    word: str,
    number: Number = 0,
    step: Annotated[Number, Query(description="That is approved; any if left out.")] = 0,
    why: Why = "",
) -> dict[str, Any]:
    """Say a word to a rollout, as `headrace rollout approve`, `promote`, `rollback` or `stop`."""
    if word == "approve":
        return course_json(sources.rollouts.approve(number, step or None, who=who, why=why))
    if word not in ENDS:
        raise HTTPException(
            404, f"no /api/rollout/{word:.40}; there is start, approve, release, {', '.join(ENDS)}"
        )
    return course_json(sources.rollouts.stop(number, ENDS[word], who=who, why=why))


def said_plan(sources: Sources, model: str, said: str) -> RolloutPlan:
    """Return the plan that is said: as JSON, by its name in model.yaml as it is now, or none.

    Raises:
        Misasked: it is no plan. Unwanted: model.yaml has none of that name.
        ConfigInvalid: model.yaml is wrong.
    """
    if said.startswith("{"):
        try:
            return RolloutPlan.model_validate_json(said)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[:MOST_ERRORS]
            told = "; ".join(
                explain(one["loc"], one, RolloutPlan)
                if one["loc"] or one["type"] == "value_error"
                else one["msg"]
                for one in wrong
            )
            raise Misasked(f"this is no plan: {told}") from error
    wanted = sources.controller.wanted().get(model)
    return DEFAULT_PLAN if wanted is None else plan_of(Path(wanted.folder), model, said)


def course_json(course: Course, most_said: int = MOST_SAID) -> dict[str, Any]:
    """Return a rollout as ``GET /api/rollouts`` has it, with the newest of what was said."""
    candidate, baseline = course.versions
    health = course.record.health
    return {
        "number": course.number,
        "model": course.model,
        "candidate": candidate,
        "baseline": baseline,
        "arms": dict(zip(("candidate", "baseline"), map(spoken, course.arms), strict=True)),
        "who": course.who,
        "why": course.why,
        "plan": course.plan.model_dump(mode="json"),
        "shares_percent": list(course.plan.shares_percent),
        "step": course.step,
        "percent": course.percents[0],
        "end": course.end,
        "may_approve": course.end is None
        and course.step > 0
        and needs_approval(course.plan, course.record),
        "harm_odds": _odds(course.record.log_harm_peak),
        "metrics": [_metric(one, course) for one in course.record.evidence],
        "latency_ms": {
            "candidate": _latency(course.latency[0]),
            "baseline": _latency(course.latency[1]),
        },
        "crashes": {"candidate": health.candidate_crashes, "baseline": health.control_crashes},
        "gateways": max(seen.gateways for seen in course.seen),
        "said": [{**asdict(one), "lasts": one.what in LASTING} for one in course.said[-most_said:]],
    }


def _metric(known: Evidence, course: Course) -> dict[str, Any]:
    plan = course.plan
    asked = plan.judge.values.get(known.criterion.name)
    paired = known.criterion.paired
    told = paired and known.candidate.count and known.control.count
    spread = known.spread.interval(plan.alpha) if told else None
    return {
        "name": known.criterion.name,
        "margin": known.criterion.margin,
        "candidate": _arm(known.candidate, asked),
        "control": _arm(known.control, asked) if paired else None,
        "difference_points": spread and [100 * end for end in spread],
        "mean_difference": spread and asked and sorted(mean_change(asked, end) for end in spread),
        "design_effect": _design_effect(known, course),
        "harm_odds": _odds(known.log_harm),
        "fine_odds": _odds(known.log_fine),
    }


def _design_effect(known: Evidence, course: Course) -> float | None:
    of_latency = known.criterion.name in QUANTILES
    return course.swings.effect if of_latency and course.swings.is_known else None


def _odds(log: float) -> float:
    return math.exp(min(log, MOST_LOG))


def _arm(units: Units, asked: ValueWithin | None) -> dict[str, Any]:
    if not units.count:
        return {"units": 0.0, "bad_percent": None, "mean": None}
    bad = units.bad / units.count
    average = None if asked is None else mean(asked, bad)
    return {"units": units.count, "bad_percent": 100 * bad, "mean": average}


def _latency(histogram: Histogram) -> dict[str, float | None]:
    return {**quantiles(dense(histogram))} if histogram else dict.fromkeys(QUANTILES)
