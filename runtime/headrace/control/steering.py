"""What a rollout wants of its model's traffic, as an order. Pure."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace

from headrace.control import traffic as routes
from headrace.control.orders import Order, Standings
from headrace.control.rows import Row
from headrace.control.traffic import Judged, Shadow, Traffic
from headrace.control.wanted import Wanted, loaded
from headrace.errors import Unwanted
from headrace.execution.policy import AWAITED, WHOLE
from headrace.models.lifecycle import ANSWERING, ON_THE_WAY, Standing
from headrace.repository.folder import Version
from headrace.rollout.course import Course, End, Way


def shares(course: Course) -> dict[int, int]:
    """Return how a rollout that goes on divides the requests that name no version."""
    candidate, baseline = course.versions
    share = round(course.percent * WHOLE / 100)
    parts = {candidate: share, baseline: WHOLE - share}
    return {one: part for one, part in sorted(parts.items()) if part}


def may_begin(now: Wanted, candidate: int, baseline: int | None) -> int:
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
    if candidate == serving[0]:
        raise Unwanted(f"version {candidate} has all the traffic already")
    if candidate not in now.versions:
        raise Unwanted(f"version {candidate} is not loaded; {loaded(now)}: `headrace load` it")
    if any(one.version == candidate for one in now.traffic.shadows):
        raise Unwanted(
            f"version {candidate} is a shadow, and a rollout mirrors what it needs: end that first"
        )
    return serving[0]


def newcomer(now: Wanted, rows: Iterable[Row], had: Set[int]) -> Version | None:
    """Return the version that is to have a rollout by itself: it is ready, and says so.

    It is newer than who has all traffic, and the newest of such. Who ``had`` one has none again,
    whatever came of it, but by a person's word.
    """
    serving = [one for one, share in (now.shares or {}).items() if share == WHOLE]
    if not serving or now.pending is not None:
        return None
    shadows = {one.version for one in now.traffic.shadows}
    new = [
        row.version
        for row in rows
        if row.is_wanted
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
    if now.pending is not None:
        coming = ", ".join(str(one) for one in now.pending.shares)
        return f"version {coming} is on its way to the traffic"
    if now.shares != shares(course) or judged(course) != now.traffic.judged:
        told = ", ".join(f"{one}={share / 100:g}" for one, share in (now.shares or {}).items())
        return f"traffic is divided otherwise: {told or 'nobody has any'}"
    return ""


def judged(course: Course) -> tuple[Judged, ...]:
    """Return what gateways are to count for a rollout."""
    return tuple(Judged(one, lines) for one, lines in sorted(course.judged.items()))


def order(course: Course) -> Order:
    """Divide traffic, and count, as a rollout has it now."""
    what = f"rollout {course.number}"
    if course.end is None:
        parts = " ".join(f"{one}={share / 100:g}" for one, share in shares(course).items())
        return Order(course.model, f"{what}: {parts}", lambda now, _: _with(now, course, None))
    after = {End.PROMOTED: course.record.candidate, End.ROLLED_BACK: course.record.baseline}
    winner = after.get(course.end)
    told = "" if winner is None else f": {winner}=100"

    def ended(now: Wanted, standings: Standings) -> Wanted:
        return _with(now, course, winner)

    return Order(course.model, f"{what} {course.end.value}{told}", ended)


def _with(now: Wanted, course: Course, winner: int | None) -> Wanted:
    divided: Mapping[int, int] | None = now.shares
    if course.end is None:
        divided = shares(course)
    elif winner is not None:
        divided = {winner: WHOLE}
    for version in divided or ():
        if version not in now.versions:
            raise Unwanted(f"version {version} is not loaded any more; {loaded(now)}")
    return replace(now, shares=divided, traffic=_mirrored(now.traffic, course))


def _mirrored(traffic: Traffic, course: Course) -> Traffic:
    """Return it with the candidate getting copies for as long as agreement is judged."""
    traffic = replace(traffic, judged=judged(course))
    agreement, candidate = course.plan.judge.agreement, course.record.candidate
    if agreement is None:
        return traffic
    others = tuple(one for one in traffic.shadows if one.version != candidate)
    traffic = replace(traffic, shadows=others)
    if course.end is not None or course.lines is None:
        return traffic
    share = max(1, round(agreement.mirror_percent * WHOLE / 100))
    return routes.shadow(traffic, Shadow(candidate, share))


def ways(course: Course, now: Wanted, standings: Mapping[int, Standing]) -> dict[int, Way]:
    """Return how both versions of a rollout are; of what is wanted an engine may not know yet."""
    unknown = dict.fromkeys(now.versions, AWAITED)
    return {one: _way({**unknown, **standings}.get(one)) for one in course.versions}


def _way(standing: Standing | None) -> Way:
    if standing is None:
        return Way.CANNOT
    if standing.state in ANSWERING:
        return Way.ANSWERS
    return Way.COMES if standing.state in ON_THE_WAY else Way.CANNOT
