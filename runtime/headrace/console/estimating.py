"""The console's answer to how long a rollout would take."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, HTTPException

from headrace.config.rollouts import RolloutPlan
from headrace.console.answering import THREADS
from headrace.console.estimate_schema import Estimate
from headrace.console.forecast import Carried, forecast, forecast_json, resources
from headrace.console.memory import resident
from headrace.console.parameters import From, Misasked, Model, Number
from headrace.console.rates import Reading
from headrace.console.scraping import scrape
from headrace.console.sources import Sources
from headrace.console.steering import Plan, said_plan
from headrace.control.steering import sticky
from headrace.errors import ConfigInvalid, Unwanted
from headrace.rollout.past import Past

#: Between two readings of what the gateway has counted.
OVER_S: Final = 5.0

router = APIRouter()


@router.get("/api/rollout/estimate", response_model=Estimate)
async def estimate(
    sources: From, model: Model, version: Number = 0, baseline: Number = 0, plan: Plan = ""
) -> dict[str, Any]:
    """Say how long a rollout would take at the traffic of now, which is counted for 5 s."""
    if not version:
        raise Misasked("say which version: &version=NUMBER")
    asked, serving, by = await THREADS.run(lambda: _asked(sources, model, version, baseline, plan))
    before = await THREADS.run(lambda: _reading(sources))
    # Nobody's thread is held meanwhile.
    await asyncio.sleep(OVER_S)
    now = await THREADS.run(lambda: _reading(sources))
    past = Past.of(sources.rollouts.all(model))
    found = forecast(asked, f"{model}/{serving}", before, now, sticky=by, past=past)
    candidate, serves = await THREADS.run(
        lambda: [_carried(sources, model, one) for one in (version, serving)]
    )
    return {
        "model": model,
        "candidate": version,
        "baseline": serving,
        "plan": asked.model_dump(mode="json"),
        **forecast_json(asked, found),
        "resources": resources(asked, version, candidate, serves, found.traffic),
    }


def _asked(
    sources: Sources, model: str, version: int, baseline: int, plan: str
) -> tuple[RolloutPlan, int, str]:
    """Return the plan, the baseline of a rollout that could begin now, and what is sticky."""
    try:
        asked = said_plan(sources, model, plan)
        sources.controller.quarantine.ask(model, version)
        serving = sources.rollouts.may_start(model, version, asked, baseline=baseline or None)
        by = sticky(sources.controller.known(model))
    except (Unwanted, ConfigInvalid) as error:
        # As to who would begin it.
        raise HTTPException(409, str(error)) from error
    return asked, serving, by


def _reading(sources: Sources) -> Reading:
    try:
        return scrape(sources.board.status().addresses.get("metrics", ""))
    except (OSError, ValueError) as error:
        raise HTTPException(503, f"no gateway tells what it has counted: {error}") from error


def _carried(sources: Sources, model: str, version: int) -> Carried:
    status = sources.board.status()
    of_model = next((one.versions for one in status.models if one.name == model), ())
    found = next((one for one in of_model if one.version == version), None)
    if found is None:
        return Carried(0, None)
    # Of a process that others are in, too, nobody knows what is whose.
    pids = status.processes.get(found.process, ()) if found.process == f"{model}/{version}" else ()
    return Carried(found.hosts, resident(pids) // len(pids) if pids else None)
