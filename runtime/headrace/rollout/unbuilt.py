"""What a plan may say, and no rollout does yet."""

from collections.abc import Iterable

from headrace.config.rollouts import RolloutPlan


def unbuilt(plan: RolloutPlan) -> str:
    """Return what of a plan cannot be done yet, in words; empty if all of it can."""
    table: Iterable[tuple[bool, str]] = ((bool(plan.judge.values), "judge.values"),)
    return "; ".join(words for is_so, words in table if is_so)
