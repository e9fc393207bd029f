"""What a rollout does next, by its plan and its record and by nothing else."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.criteria import mean
from headrace.rollout.evidence import Evidence
from headrace.rollout.record import Record

#: What is worse of a value.
LESS: Final = {"higher": "less", "lower": "more"}


class MoveKind(Enum):
    """What may be done."""

    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    INCONCLUSIVE = "inconclusive"
    WAIT_FOR_APPROVAL = "wait_for_approval"


@dataclass(frozen=True, slots=True)
class Move:
    """What to do, and why, in a sentence with its numbers.

    Attributes:
        percent: of an ADVANCE, the candidate's next share.
    """

    kind: MoveKind
    reason: str
    percent: float | None = None


def next_move(plan: RolloutPlan, record: Record, now: float, *, waits: str = "") -> Move:
    """Return the next move of a rollout, for any record that ``Record.begin`` and its methods made.

    Harm is judged first, so that a candidate goes back even where too little has been seen to go
    on; then what there is to go on by; and the time last, so that nothing proven is lost to it.
    ``waits``: why it does not go on for now, whatever has been seen.
    """
    return (
        _by_health(plan, record)
        or _by_harm(plan, record)
        or (None if waits else _by_progress(plan, record, now))
        or _by_time(plan, record, now, waits)
        or (Move(MoveKind.HOLD, waits) if waits else _why_it_holds(plan, record, now))
    )


def _back(record: Record, reason: str) -> Move:
    if record.candidate != record.baseline and not record.health.baseline_ready:
        return Move(
            MoveKind.HOLD,
            f"{reason}; but version {record.baseline} cannot answer either, so that there is "
            "nothing to go back to",
        )
    return Move(MoveKind.ROLL_BACK, reason)


def _by_health(plan: RolloutPlan, record: Record) -> Move | None:
    health = record.health
    same = plan.kind == "a/a"
    who = "the new arm" if same else f"version {record.candidate}"
    why = ": the arms differ by something else than the version" if same else ""
    if not health.candidate_ready:
        return _back(record, f"{who} cannot answer{why}")
    excess = health.candidate_crashes - health.control_crashes
    if excess > plan.max_crashes:
        return _back(
            record,
            f"{who} crashed {health.candidate_crashes} times, the control "
            f"{health.control_crashes}; {plan.max_crashes} more are allowed{why}",
        )
    return None


def _by_harm(plan: RolloutPlan, record: Record) -> Move | None:
    if record.log_harm_peak >= math.log(1 / plan.alpha):
        worst = max(record.evidence, key=lambda known: known.log_harm)
        odds = f"evidence {_odds(record.log_harm_peak)} to 1, {1 / plan.alpha:.4g} were asked"
        if plan.kind == "a/a":
            return _back(
                record,
                f"one version differs from itself ({_rates(plan, worst)}; {odds}): a false alarm, "
                f"which {plan.alpha:.2g} of such tests may have, or the arms differ by something "
                "else than the version, such as their machines",
            )
        return _back(record, f"{_rates(plan, worst)}: worse than allowed ({odds})")
    for known in record.evidence:
        if known.criterion.name != "errors" or plan.max_harm_units is None:
            continue
        shadow = plan.shares_percent[record.step] == 0.0
        excess = known.candidate.bad - known.candidate.count * known.control_rate
        if not shadow and excess > plan.max_harm_units:
            return _back(
                record,
                f"{excess:.4g} units failed more than would have with the control "
                f"({_rates(plan, known)}); {plan.max_harm_units:.4g} are allowed",
            )
    return None


def _by_progress(plan: RolloutPlan, record: Record, now: float) -> Move | None:
    """Return a move forward, if it is earned."""
    if plan.kind == "a/a" or _missing(plan, record, now) is not None:
        return None
    shares = plan.shares_percent
    is_last = record.step + 1 == len(shares)
    if is_last:
        move = Move(
            MoveKind.PROMOTE,
            "no metric is worse than allowed: "
            + "; ".join(
                f"{_rates(plan, known)}, {_odds(known.log_fine)} to 1" for known in record.asked
            ),
        )
    else:
        share = shares[record.step + 1]
        seen = min(int(known.step_candidate.count) for known in record.asked_at_step(plan))
        move = Move(
            MoveKind.ADVANCE,
            f"{seen} units of each metric at {shares[record.step]:.4g} %, and no sign of harm "
            f"(evidence {_odds(record.log_harm)} to 1)",
            share,
        )
    if needs_approval(plan, record):
        what = "promotion" if is_last else f"going on to {move.percent:.4g} %"
        return Move(MoveKind.WAIT_FOR_APPROVAL, f"{what} waits for a person; {move.reason}")
    return move


def needs_approval(plan: RolloutPlan, record: Record) -> bool:
    """Return whether a person has to allow a rollout to leave its step, and nobody has."""
    is_last = record.step + 1 == len(plan.shares_percent)
    gated = plan.approval == "each_step" or (is_last and plan.approval == "promotion")
    return gated and record.approved_step < record.step


def _missing(plan: RolloutPlan, record: Record, now: float) -> str | None:
    """Return what there is too little of to go on, or None."""
    if not (record.health.baseline_ready and record.health.control_ready):
        whose = "the control of " * record.health.baseline_ready
        who = f"{whose}version {record.baseline}"
        return f"{who} cannot answer, so that there is nothing to compare with"
    since_s = now - record.step_started_at
    over_s = 3600 * plan.max_hours - (now - record.started_at)
    for known in record.asked_at_step(plan):
        arms = [("candidate", known.step_candidate)]
        if known.criterion.paired:
            arms.append(("control", known.step_control))
        for arm, units in arms:
            if units.count < plan.minimum.units:
                return (
                    f"{units.count:.0f} units of the {arm} for {known.criterion.name} at this "
                    f"step; {plan.minimum.units} are needed"
                    f"{_longer(units.count / plan.minimum.units, since_s, over_s)}"
                )
    minutes = since_s / 60
    if minutes < plan.minimum.minutes:
        return f"{minutes:.3g} minutes at this step; {plan.minimum.minutes:.4g} are needed"
    if record.log_harm >= math.log(1 / plan.alpha) / 2:
        worst = max(record.evidence, key=lambda known: known.log_harm)
        return (
            f"{_rates(plan, worst)} looks worse than allowed (evidence "
            f"{_odds(record.log_harm)} to 1; back at {1 / plan.alpha:.4g})"
        )
    if record.step + 1 == len(plan.shares_percent):
        least = min(record.asked, key=lambda known: known.log_fine)
        if least.log_fine < math.log(1 / plan.alpha):
            return (
                f"{_rates(plan, least)} is not proven to be as good as asked (evidence "
                f"{_odds(least.log_fine)} to 1, {1 / plan.alpha:.4g} are asked)"
                f"{_longer(least.log_fine / math.log(1 / plan.alpha), since_s, over_s)}"
            )
    return None


def _longer(part: float, since_s: float, over_s: float) -> str:
    """Return how much longer what is done so far takes, if it goes on so; nothing if it does not.

    ``over_s`` is when the rollout's time is over.

    Evidence grows as a power of the units: its logarithm is what a part is of.
    """
    if not (0.0 < part < 1.0 and since_s > 0.0):
        return ""
    left_s = since_s * (1 / part - 1)
    if left_s > over_s:
        return ": longer than is left of max_hours, as it goes"
    for unit, longest_s, one_s in (("s", 90, 1), ("min", 5400, 60)):
        if left_s < longest_s:
            return f": about {max(left_s / one_s, 1):.0f} {unit} more, as it goes"
    return f": about {left_s / 3600:.1f} h more, as it goes"


def _by_time(plan: RolloutPlan, record: Record, now: float, waits: str) -> Move | None:
    hours = (now - record.started_at) / 3600
    if hours < plan.max_hours:
        return None
    if plan.kind == "a/a":
        return Move(
            MoveKind.INCONCLUSIVE,
            f"{hours:.4g} hours, and no difference of one version from itself: as it should be",
        )
    reason = f"{hours:.4g} hours are over, and {waits or _missing(plan, record, now)}"
    if plan.when_inconclusive == "roll_back":
        return _back(record, reason)
    return Move(MoveKind.INCONCLUSIVE, reason)


def _why_it_holds(plan: RolloutPlan, record: Record, now: float) -> Move:
    if plan.kind == "a/a":
        odds = _odds(record.log_harm)
        return Move(MoveKind.HOLD, f"an A/A test goes on to its end (evidence {odds} to 1)")
    return Move(MoveKind.HOLD, _missing(plan, record, now) or "nothing is left to do")


def _rates(plan: RolloutPlan, known: Evidence) -> str:
    name, margin = known.criterion.name, known.criterion.margin
    if (asked := plan.judge.values.get(name)) is not None:
        arms = (mean(asked, rate) for rate in (known.candidate_rate, known.control_rate))
        allowed = f", {asked.max_loss:.3g} {LESS[asked.better]} allowed" if margin else ""
        return f"{name}: {{:.4g}} on average against {{:.4g}}".format(*arms) + allowed
    of_candidate = f"{100 * known.candidate_rate:.3g} % bad"
    if not known.criterion.paired:
        return f"{name}: {of_candidate}, {100 * margin:.3g} % allowed"
    allowed = f", {100 * margin:.3g} points more allowed" if margin else ""
    return f"{name}: {of_candidate} against {100 * known.control_rate:.3g} %{allowed}"


def _odds(log: float) -> str:
    return f"{math.exp(log):.3g}" if abs(log) < 300 else f"10^{log / math.log(10):.0f}"
