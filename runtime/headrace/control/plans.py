"""Which plan a rollout has, where none is brought."""

from pathlib import Path
from typing import Final

from headrace.config.load import load
from headrace.config.rollouts import ErrorsWithin, Judge, LatencyWithin, RolloutPlan
from headrace.errors import Unwanted

#: Where a model.yaml has no plan, and none is named.
DEFAULT_PLAN: Final = RolloutPlan(judge=Judge(errors=ErrorsWithin(), p99=LatencyWithin()))
#: The plan that is meant where none is named.
DEFAULT_NAME: Final = "default"


def plan_of(home: Path, model: str, name: str = "") -> RolloutPlan:
    """Return the plan of a name in the model.yaml of a model's folder, as it is now.

    Raises:
        Unwanted: it has none of that name. ConfigInvalid: it is wrong.
    """
    known = load(home / "model.yaml").rollouts
    if not name:
        return known.get(DEFAULT_NAME, DEFAULT_PLAN)
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise Unwanted(f"model.yaml of {model} has no plan {name!r:.100}; there is {there}")
    return known[name]
