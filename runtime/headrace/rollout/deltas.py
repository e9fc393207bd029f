"""What came since the last look, by metric. Pure."""

from headrace.config.rollouts import GUARDS, RolloutPlan
from headrace.rollout.bets import NONE, Units
from headrace.rollout.counted import Totals
from headrace.rollout.criteria import by_labels, quantiles

#: By metric, units of candidate and control.
Deltas = dict[str, tuple[Units, Units]]


def deltas(plan: RolloutPlan, candidate: Totals, control: Totals) -> Deltas:
    """Return what two versions have done of what a plan judges."""
    found: Deltas = {name: (getattr(candidate, name), getattr(control, name)) for name in GUARDS}
    # Who is slow when there is most to do has requests in each second then, and a small arm in few
    # of the quiet ones: only seconds in which both have some can be compared. (So it is where users
    # are the units: what they find at first is counted by the second, too.)
    if not all(units.count for units in found["unserved"]):
        del found["unserved"]
    if plan.judge.errors is not None:
        found["errors"] = candidate.runs, control.runs
    found |= dict(zip(quantiles(plan), zip(candidate.slow, control.slow, strict=True), strict=True))
    if plan.judge.agreement is not None:
        fixed = plan.judge.agreement.min_percent is not None
        found["agreement"] = candidate.agreement, NONE if fixed else control.agreement
    for name in by_labels(plan.judge):
        found[name] = candidate.labelled.get(name, NONE), control.labelled.get(name, NONE)
    return found


def of_users(found: Deltas, heard_by: tuple[int, int]) -> Deltas:
    """Return it where so many gateways have heard users of each version, each by itself.

    One user may be a unit of each of them. So each unit counts as a part of one: who is heard by
    all of them between two looks weighs one unit, and who is heard by another one later half of one
    more, or a third.
    """
    parts = tuple(1 / max(number, 1) for number in heard_by)
    return {
        name: (_part(units[0], parts[0]), _part(units[1], parts[1]))
        for name, units in found.items()
    }


def _part(units: Units, part: float) -> Units:
    return Units(units.count * part, units.bad * part)
