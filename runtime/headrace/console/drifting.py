"""The console's answers about versions whose tensors are watched."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from headrace.console import drift_schema as schema
from headrace.console.answering import in_thread
from headrace.console.parameters import From, Misasked, Number, Who
from headrace.console.sources import Sources
from headrace.monitoring.change import Counts, parts
from headrace.monitoring.drift import Watched
from headrace.monitoring.profiles import middle

router = APIRouter()


@router.get("/api/drift", response_model=schema.Drift)
@in_thread
def all_drift(sources: From) -> dict[str, Any]:
    """Show of all versions that are watched whether tensors are as they were."""
    return _versions(sources, lambda _: True)


@router.get("/api/drift/{model}", response_model=schema.Drift)
@in_thread
def drift(sources: From, model: str) -> dict[str, Any]:
    """Show whether tensors are as they were, as `headrace drift`."""
    sources.controller.known(model)
    return _versions(sources, lambda name: name == model)


@router.post("/api/drift/{model}", response_model=schema.Drift)
@in_thread
def anew(
    sources: From,
    who: Who,
    model: str,
    version: Annotated[Number, Query(description="Whose next rows are its reference.")] = 0,
) -> dict[str, Any]:
    """Take a version's next rows as its reference, as `headrace drift --anew`."""
    if not version:
        raise Misasked("say which version: ?version=NUMBER")
    sources.controller.known(model)
    sources.drift.anew(model, version, who)
    return _versions(sources, lambda name: name == model)


def _versions(sources: Sources, of: Callable[[str], bool]) -> dict[str, Any]:
    found = sorted(sources.drift.all().items())
    return {"versions": [_version(*key, one) for key, one in found if of(key[0])]}


def _version(model: str, number: int, one: Watched) -> dict[str, Any]:
    return {
        "model": model,
        "version": number,
        "reference_rows": one.rows,
        "window_rows": one.window_rows,
        "drifted": bool(one.drifted),
        "features": [
            {
                "tensor": tensor,
                "feature": feature,
                "reference": middle(feature, one.reference.get((tensor, feature), {})),
                "now": middle(feature, one.shown.get((tensor, feature), {})),
                "score": alarm.last.score,
                "chance": alarm.last.chance,
                "alarm": alarm.since is not None,
                "since_unix_s": alarm.since,
                "parts": _shares(*one.compared((tensor, feature))),
            }
            for (tensor, feature), alarm in sorted(one.alarms.items())
        ],
    }


def _shares(before: Counts, now: Counts) -> list[tuple[float, float]]:
    first, second = sum(before.values()), sum(now.values())
    return [(one / first, other / second) for one, other in parts(before, now)]
