"""The console's answer about versions whose tensors are watched."""

from typing import Any

from fastapi import APIRouter

from headrace.console import drift_schema as schema
from headrace.console.answering import in_thread
from headrace.console.parameters import From
from headrace.monitoring.drift import Watched
from headrace.monitoring.profiles import middle

router = APIRouter()


@router.get("/api/drift/{model}", response_model=schema.Drift)
@in_thread
def drift(sources: From, model: str) -> dict[str, Any]:
    """Show whether tensors are as they were, as `headrace drift`."""
    sources.controller.known(model)
    found = sources.drift.of(model)
    return {"versions": [_version(number, one) for number, one in sorted(found.items())]}


def _version(number: int, one: Watched) -> dict[str, Any]:
    return {
        "version": number,
        "reference_rows": one.rows,
        "window_rows": one.window_rows,
        "drifted": bool(one.drifted),
        "features": [
            {
                "tensor": tensor,
                "feature": feature,
                "reference": middle(feature, one.reference[tensor, feature]),
                "now": middle(feature, one.shown.get((tensor, feature), {})),
                "score": alarm.last.score,
                "chance": alarm.last.chance,
                "alarm": alarm.since is not None,
                "since_unix_s": alarm.since,
            }
            for (tensor, feature), alarm in sorted(one.alarms.items())
        ],
    }
