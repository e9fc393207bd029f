"""What a plan may say, and no rollout does yet."""

from collections.abc import Iterable

from headrace.config.rollouts import RolloutPlan


def unbuilt(plan: RolloutPlan) -> str:
    """Return what of a plan cannot be done yet, in words; empty if all of it can."""
    judge = plan.judge
    table: Iterable[tuple[bool, str]] = (
        (bool(judge.values), "judge.values"),
        (
            judge.agreement is not None and judge.agreement.max_drop_points is not None,
            "judge.agreement.max_drop_points (min_percent is there)",
        ),
    )
    return "; ".join(words for is_so, words in table if is_so)
