"""What a rollout wants of its model's traffic, as an order. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from headrace.config.rollouts import RolloutPlan
from headrace.control.judging import Control, Judged
from headrace.control.labelled import may_be_labelled
from headrace.control.orders import Order, Standings
from headrace.control.quarantine import refusal
from headrace.control.rows import Row
from headrace.control.traffic import MOST_SHADOWS, Traffic
from headrace.control.wanted import Wanted, loaded
from headrace.errors import Unwanted
from headrace.execution.opening import OPAQUE
from headrace.execution.policy import AWAITED, WHOLE
from headrace.models.lifecycle import ANSWERING, Standing, State
from headrace.repository.folder import Version
from headrace.repository.instances import spoken, version_of
from headrace.rollout.course import Course, End, Way
from headrace.rollout.criteria import by_labels


def shares(course: Course) -> dict[int, int]:
    """Return how a rollout that goes on divides the requests that name no version."""
    candidate, baseline = course.versions
    share = 0 if candidate == baseline else _share(course)
    parts = {candidate: share, baseline: WHOLE - share}
    return {one: part for one, part in sorted(parts.items()) if part}


def control(course: Course) -> Control | None:
    """Return the second instance of its baseline that a rollout has now, if any."""
    if course.end is not None or not course.plan.stands_twice:
        return None
    candidate, baseline = course.versions
    return Control(baseline, _share(course), like=candidate)


def _share(course: Course) -> int:
    return round(course.percent * WHOLE / 100)


def may_judge(
    plan: RolloutPlan, now: Wanted, held: Iterable[Row], candidate: int, baseline: int
) -> None:
    """Check that versions, among those that are held, can be judged as a plan has it.

    Raises:
        Unwanted: they cannot, and why.
    """
    if (told := by_labels(plan.judge)) and sticky(now):
        raise Unwanted(
            f"requests with the same {sticky(now)} stay with one version, so that users are the "
            f"units, and labels do not tell whose they are: take {told[0]} out of the plan"
        )
    for row in held:
        version = row.version
        if version.number not in (candidate, baseline):
            continue
        if version.number != baseline and row.quarantine is not None:
            raise refusal(row.quarantine, registered=version.tagged is not None)
        may_be_labelled(plan, version)
        if version.number == baseline and plan.stands_twice and not version.is_hosted:
            raise Unwanted(
                f"no host runs {version.label}, so that none can run it a second time: this plan "
                "needs one that does"
            )
        asked = plan.judge.agreement
        if version.number == candidate or (asked and asked.max_drop_points is not None):
            may_mirror(plan, version)


def may_mirror(plan: RolloutPlan, one: Version) -> None:
    """Check that a version may run what was answered already, where a plan compares that.

    Raises:
        Unwanted: it may have side effects.
    """
    asked, said = plan.judge.agreement, one.config.repeatable
    if asked is None or asked.repeatable:
        return
    if not one.is_hosted:
        raise Unwanted(
            f"agreement runs on {one.label} what others have answered, and whether it may "
            "have side effects its server does not tell: write repeatable: true under agreement of "
            "the plan if it has none"
        )
    if said is False or (said is None and one.backend in OPAQUE):
        raise Unwanted(
            f"agreement runs on {one.label} what others have answered, and it may have side "
            "effects: write repeatable: true into its model.yaml and load it anew, or under "
            "agreement of the plan"
        )


def may_begin(now: Wanted, candidate: int, baseline: int | None, plan: RolloutPlan) -> int:
    """Return the baseline of a rollout of ``candidate``: who has all traffic.

    Raises:
        Unwanted: there is no such one, or the candidate cannot be one.
    """
    if now.pending is not None:
        raise Unwanted("versions are on their way that will get the traffic: wait for them first")
    serving = [one for one, share in (now.shares or {}).items() if share == WHOLE]
    if not serving or baseline not in (None, serving[0]):
        told = ", ".join(f"{one}={share / 100:g}" for one, share in (now.shares or {}).items())
        whom = "one version" if baseline is None else f"version {baseline}"
        raise Unwanted(
            f"a rollout begins where {whom} has all the traffic, and it is {told or 'none'}: "
            "`headrace split` moves it"
        )
    if plan.kind == "a/a" and candidate != serving[0]:
        raise Unwanted(f"a/a is of who has all the traffic, which version {candidate} has not")
    if plan.kind != "a/a" and candidate == serving[0]:
        raise Unwanted(f"version {candidate} has all the traffic already")
    if candidate not in now.versions:
        raise Unwanted(f"version {candidate} is not loaded; {loaded(now)}: `headrace load` it")
    shadows = now.traffic.shadows
    if any(one.version == candidate for one in shadows):
        raise Unwanted(
            f"version {candidate} is a shadow, and a rollout mirrors what it needs: end that first"
        )
    if plan.judge.agreement is not None and len(shadows) > MOST_SHADOWS:
        raise Unwanted(
            f"the model has {len(shadows)} shadows, and with the traffic that this plan mirrors at "
            f"most {MOST_SHADOWS}: `headrace shadow MODEL {shadows[-1].version} off` ends one"
        )
    return serving[0]


def newcomer(now: Wanted, rows: Iterable[Row], had: Set[int]) -> Version | None:
    """Return the version that is to have a rollout by itself: it is ready, and says so.

    It is newer than who has all traffic, and the newest of such. Who ``had`` one has none again,
    whatever came of it, but by a person's word; nor has one that is quarantined.
    """
    serving = [one for one, share in (now.shares or {}).items() if share == WHOLE]
    if not serving or now.pending is not None:
        return None
    shadows = {one.version for one in now.traffic.shadows}
    new = [
        row.version
        for row in rows
        if row.is_wanted
        and row.quarantine is None
        and row.version.config.versions.on_new == "rollout"
        and row.standing is not None
        and row.standing.state in ANSWERING
        and row.version.number > serving[0]
        and row.version.number not in had | shadows
    ]
    return max(new, key=lambda one: one.number, default=None)


def disturbed(course: Course, now: Wanted | None) -> str:
    """Return who has traffic against a rollout's will, in words; empty if nobody has."""
    if now is None:
        return "the model is not served any more"
    if gone := [one for one in course.versions if one not in now.versions]:
        return f"version {gone[0]} was unloaded"
    if now.pending is not None:
        coming = ", ".join(str(one) for one in now.pending.shares)
        return f"version {coming} is on its way to the traffic"
    asked = judged(course), control(course)
    if now.shares != shares(course) or asked != (now.traffic.judged, now.traffic.control):
        told = ", ".join(f"{one}={share / 100:g}" for one, share in (now.shares or {}).items())
        return f"traffic is divided otherwise: {told or 'nobody has any'}"
    if sticky(now) != course.sticky:
        return f"users stay with a version by {sticky(now) or 'nothing'} now"
    return ""


def sticky(now: Wanted) -> str:
    """Return what requests have in common that stay with one version; empty if none do."""
    return "" if now.traffic.sticky is None else str(now.traffic.sticky)


def judged(course: Course) -> tuple[Judged, ...]:
    """Return what gateways are to count for a rollout, and whom they send copies for it."""
    agreement, candidate = course.plan.judge.agreement, course.arms[0]
    counts = (
        Judged(*one, course.number, users_at_step=course.users_at_step)
        for one in sorted(course.judged.items())
    )
    if agreement is None or course.lines is None:
        return tuple(counts)
    mirror = round(agreement.mirror_percent * WHOLE / 100)
    return tuple(
        replace(
            one,
            mirror=mirror,
            repeatable=agreement.repeatable,
            noise=agreement.max_drop_points is not None,
        )
        if one.version == candidate
        else one
        for one in counts
    )


def _has_failed(version: int, standings: Standings) -> bool:
    return version in standings and standings[version].state is State.FAILED


def order(course: Course, before: Course | None) -> Order:
    """Divide traffic, and count, as a rollout has it now that has come from ``before``.

    Whoever divided it otherwise meanwhile wins.
    """
    what, winner = f"rollout {course.number}", None
    if course.end is None:
        divided = Traffic(control=control(course)).divided(shares(course))
        parts = " ".join(f"{spoken(one)}={part / 100:g}" for one, part in divided.items() if part)
        what = f"{what}: {parts}"
    else:
        after = {End.PROMOTED: course.record.candidate, End.ROLLED_BACK: course.record.baseline}
        winner = after.get(course.end)
        what = f"{what} {course.end.value}" + ("" if winner is None else f": {winner}=100")

    def changed(now: Wanted, standings: Standings) -> Wanted:
        if course.end is End.PROMOTED and course.plan.kind == "a/a":
            raise Unwanted("a/a has one version in both arms: there is nothing to promote")
        if before is None:
            may_begin(now, *course.versions, course.plan)
        elif before.end is not None:
            may_take_back(before, now, standings)
        elif course.end is not End.STOPPED and (why := disturbed(before, now)):
            raise Unwanted(f"{course.model}: {why}")
        elif winner is not None and _has_failed(winner, standings):
            raise Unwanted(f"version {winner} has failed, and would have all the traffic")
        divided = {winner: WHOLE} if winner is not None else now.shares
        divided = shares(course) if course.end is None else divided
        asked = replace(now.traffic, judged=judged(course), control=control(course))
        return replace(now, shares=divided, traffic=asked)

    return Order(course.model, what, changed)


def without_rollout(model: str) -> Order:
    """Count, mirror and keep nothing for a rollout that nobody goes on with."""

    def changed(now: Wanted, _: Standings) -> Wanted:
        return replace(now, traffic=replace(now.traffic, judged=(), control=None))

    return Order(model, "nothing is judged any more", changed)


def may_take_back(course: Course, now: Wanted, standings: Standings) -> None:
    """Check that a promotion can still be taken back.

    Raises:
        Unwanted: traffic has moved on, or the baseline is gone, or cannot answer.
    """
    candidate, baseline = course.versions
    if now.shares != {candidate: WHOLE} or now.pending is not None:
        raise Unwanted(
            f"version {candidate} has not all the traffic any more: `headrace split` moves it"
        )
    if baseline not in now.versions:
        raise Unwanted(
            f"version {baseline} was unloaded; {loaded(now)}: `headrace load` it, and then again"
        )
    standing = standings.get(baseline, AWAITED)
    if standing.state not in ANSWERING:
        why = f": {standing.reason}" if standing.reason else ""
        raise Unwanted(f"version {baseline} cannot answer, it is {standing.state.value}{why}")


def ways(course: Course, now: Wanted, standings: Mapping[int, Standing]) -> dict[int, Way]:
    """Return how all that a rollout needs is; of what is wanted an engine may not know yet."""
    return {
        one: _way(standings.get(one, AWAITED)) if version_of(one) in now.versions else Way.CANNOT
        for one in course.instances
    }


def _way(standing: Standing) -> Way:
    if standing.state in ANSWERING:
        return Way.ANSWERS
    # One that goes for a while, because others need its memory, is wanted all the same.
    return Way.CANNOT if standing.state is State.FAILED else Way.COMES
