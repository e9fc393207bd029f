"""What a look at a rollout's versions brings: it stays, goes on to its next step, or ends."""

from dataclasses import replace

from headrace.config.rollouts import RolloutPlan
from headrace.repository.instances import is_control, spoken
from headrace.rollout import weighing
from headrace.rollout.counted import Seen, added, dense
from headrace.rollout.course import Course, End, Sight, Way
from headrace.rollout.criteria import by_labels, quantiles
from headrace.rollout.deltas import deltas, of_users
from headrace.rollout.latency import LEAST_HISTORY, SlowLines
from headrace.rollout.policy import Move, MoveKind, next_move
from headrace.rollout.record import Health
from headrace.rollout.swings import Level


def looked(course: Course, sight: Sight, now: float) -> Course:
    """Return a rollout after a look at its versions: at the same step, at the next, or ended.

    ``now``: of what is said, in seconds since 1970.
    """
    course = replace(course, watched_s=course.watched_s + sight.passed_s)
    ways = {one: sight.ways.get(one, Way.CANNOT) for one in course.instances}
    # What requests meet while a version is away is no evidence about it: its crash is.
    course = _taken(course, sight, observes=all(way is Way.ANSWERS for way in ways.values()))
    coming = [one for one, way in ways.items() if way is Way.COMES]
    waits = f"version {spoken(coming[0])} is being loaded" if coming else ""
    if waits and course.lines is None:
        if course.watched_s >= 3600 * course.plan.max_hours:
            return course.ended(End.INCONCLUSIVE, f"{_over(course.plan)}, and {waits}", now)
        return course.saying("wait", waits, now)
    apart = [one for one, way in ways.items() if is_control(one) and way is Way.CANNOT]
    if apart and course.lines is None:
        why = f"version {spoken(apart[0])} cannot be loaded: {sight.reasons.get(apart[0], '')}"
        return course.ended(End.INCONCLUSIVE, f"it did not begin, for {why}", now)
    if course.lines is None:
        return _measured(course, now)
    move = next_move(course.plan, course.record, course.watched_s, waits=waits)
    if waits and move.kind is MoveKind.HOLD:
        return course.saying("wait", move.reason, now)
    return _moved(course, move, now)


def _taken(course: Course, sight: Sight, *, observes: bool) -> Course:
    """Return it with what was counted since the last look."""
    lines = course.judged
    seen, new = list(course.seen), []
    counts = course.arms if course.lines is not None else course.versions
    for at, version in enumerate(counts):
        asked = lines.get(version)
        # Until every gateway has the table it may count for another rollout, step, or lines.
        wanted = course.model, version, course.number, asked, course.users_at_step
        mine = [
            one
            for one in sight.counted
            if (one.model, one.version, one.rollout, one.slow_ns, one.users_at_step) == wanted
        ]
        seen[at], came = seen[at].then(mine, len(asked or ()))
        new.append(came)
    more = tuple(added(old, one.latency) for old, one in zip(course.latency, new, strict=True))
    taken = replace(course, seen=(seen[0], seen[1]), latency=(more[0], more[1]))
    if course.lines is not None:
        found = deltas(course.plan, *new)
        if course.sticky:
            found = of_users(found, (seen[0].heard_by, seen[1].heard_by))
        if not observes:
            # Labels are of answers that were given before.
            found = {name: found[name] for name in by_labels(course.plan.judge)}
        record, swings = weighing.observed(
            course.record,
            course.swings,
            found,
            (Level.of(new[0].latency), Level.of(new[1].latency)),
            (seen[0].together, seen[1].together),
            sight.passed_s,
        )
        taken = replace(taken, record=record, swings=swings)
    return _with_health(taken, sight)


def _with_health(course: Course, sight: Sight) -> Course:
    now = [sight.crashes.get(version, 0) for version in course.arms]
    # A server that began anew counts from zero.
    more = [one - old if one >= old else one for one, old in zip(now, course.crashes, strict=True)]
    known = course.record.health
    candidate, baseline, control = (
        sight.ways.get(one, Way.CANNOT) is not Way.CANNOT
        for one in (course.arms[0], course.record.baseline, course.arms[1])
    )
    crashes = known.candidate_crashes + more[0], known.control_crashes + more[1]
    health = Health(candidate, baseline, *crashes, control_ready=control)
    return replace(course, crashes=(now[0], now[1]), record=replace(course.record, health=health))


def _measured(course: Course, now: float) -> Course:
    """Return it as the baseline's latency goes on to be measured, or at its first step."""
    record, plan = course.record, course.plan
    if not record.health.candidate_ready:
        return course.ended(End.ROLLED_BACK, f"version {record.candidate} cannot answer", now)
    counts = dense(course.latency[1])
    answers = sum(counts)
    if answers >= LEAST_HISTORY or not quantiles(plan):
        asked = quantiles(plan).values()
        lines = tuple(SlowLines.of_history(counts, part, ratio) for part, ratio in asked)
        drawn = "; ".join(
            f"{name}: slow beyond {line.candidate_ns / 1e6:.4g} ms, of version {record.baseline} "
            f"beyond {line.control_ns / 1e6:.4g} ms"
            for name, line in zip(quantiles(plan), lines, strict=True)
        )
        begun = replace(record, step_started_at=course.watched_s)
        first = replace(course, lines=lines, record=begun, latency=((), ()))
        # Whoever is counted as before goes on from there: what came until now is no evidence.
        one, other = (
            seen if course.judged.get(arm) == first.judged[arm] else Seen()
            for seen, arm in zip(course.seen, first.arms, strict=True)
        )
        first = replace(first, seen=(one, other))
        said = "; ".join(filter(None, (f"{first.percent:.4g} %", drawn)))
        return replace(first, compared_s=now).saying("step", said, now)
    if course.watched_s >= 3600 * plan.max_hours:
        why = f"{_over(plan)}, and version {record.baseline} gave {answers} "
        return course.ended(End.INCONCLUSIVE, f"{why}of {LEAST_HISTORY} answers", now)
    why = f"{answers} of {LEAST_HISTORY} answers of version {record.baseline}, to know its latency"
    return course.saying("measure", why, now)


def _over(plan: RolloutPlan) -> str:
    return f"{plan.max_hours:.4g} hours are over"


def _moved(course: Course, move: Move, now: float) -> Course:
    match move.kind:
        case MoveKind.ADVANCE:
            onward = replace(course, record=course.record.advanced(course.plan, course.watched_s))
            if course.percent == 0.0:  # nobody had answers of the candidate until now
                onward = replace(onward, compared_s=now, latency=((), ()))
            if course.sticky:  # who was heard at this step is heard anew at the next
                onward = replace(onward, seen=(Seen(), Seen()))
            return onward.saying("step", f"{onward.percent:.4g} %; {move.reason}", now)
        case MoveKind.PROMOTE:
            return course.ended(End.PROMOTED, move.reason, now)
        case MoveKind.ROLL_BACK:
            return course.ended(End.ROLLED_BACK, move.reason, now)
        case MoveKind.INCONCLUSIVE:
            return course.ended(End.INCONCLUSIVE, move.reason, now)
        case MoveKind.HOLD | MoveKind.WAIT_FOR_APPROVAL:
            return course.saying(move.kind.value, move.reason, now)
