"""A rollout from its beginning to its end: what is kept of it, and what a look at it brings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.counted import Counted, Histogram, Seen, added, dense
from headrace.rollout.criteria import quantiles
from headrace.rollout.deltas import deltas, of_users
from headrace.rollout.latency import LEAST_HISTORY, SlowLines
from headrace.rollout.policy import Move, MoveKind, next_move
from headrace.rollout.record import Health, Record

#: What was said of a rollout and is remembered.
MOST_SAID: Final = 200
#: What is said at every look until something happens; only the last of these is remembered.
LASTING: Final = frozenset({"measure", "wait", "hold", "wait_for_approval"})


class Way(StrEnum):
    """How a version is."""

    ANSWERS = "answers"
    #: It is loaded, or its host is replaced.
    COMES = "comes"
    CANNOT = "cannot"


class End(StrEnum):
    """How a rollout ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    INCONCLUSIVE = "inconclusive"
    #: A person wants traffic to be divided otherwise.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Said:
    """What a rollout did, or why it does nothing; ``what`` is a move's or an end's word."""

    unix_ms: int
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to see of both versions at one moment.

    Attributes:
        crashes: of processes since this server began, by version.
        passed_s: since the last look, by a clock that only goes forward; what nobody watched is
            none of it.
    """

    counted: tuple[Counted, ...]
    ways: Mapping[int, Way]
    crashes: Mapping[int, int]
    passed_s: float


@dataclass(frozen=True, slots=True)
class Course:
    """A rollout. Replaced, never changed.

    Attributes:
        who, why: of the person who began it.
        lines: where answers are slow, of each quantile that is judged; None until the baseline's
            latency is known.
        seen: of candidate and baseline.
        latency: of candidate and baseline since both have traffic; the baseline's from before that
            while it is all there is.
        crashes: of both, at the last look.
        watched_s: for so long it was looked at: what times of plan and record are of.
        said: the newest last.
        is_told: registries know how it ended.
        compared_s: when both began to have traffic, in seconds since 1970; 0 from the beginning.
        sticky: what users are known by, where they are the units; else empty.
    """

    number: int
    model: str
    plan: RolloutPlan
    who: str
    why: str
    began_unix_ms: int
    record: Record
    lines: tuple[SlowLines, ...] | None
    seen: tuple[Seen, Seen] = (Seen(), Seen())
    latency: tuple[Histogram, Histogram] = ((), ())
    crashes: tuple[int, int] = (0, 0)
    watched_s: float = 0.0
    said: tuple[Said, ...] = ()
    end: End | None = None
    is_told: bool = False
    compared_s: float = 0.0
    sticky: str = ""

    @staticmethod
    def begin(  # noqa: PLR0913 - a rollout is all of this
        number: int,
        model: str,
        plan: RolloutPlan,
        *,
        candidate: int,
        baseline: int,
        crashes: tuple[int, int],
        now: float,
        who: str,
        why: str,
        sticky: str = "",
    ) -> "Course":
        """Return a rollout that begins.

        Raises:
            ValueError: the two versions are not such as the plan compares.
        """
        record = Record.begin(
            plan, candidate=candidate, baseline=baseline, now=0.0, by_users=bool(sticky)
        )
        lines = None if quantiles(plan) else ()
        began = round(1000 * now)
        units = f"; users are the units, by {sticky}" if sticky else ""
        begun = Said(began, "begin", f"version {candidate} against {baseline}{units}")
        return Course(
            number, model, plan, who, why, began, record, lines,
            crashes=crashes, said=(begun,), sticky=sticky,
        )  # fmt: skip

    @property
    def versions(self) -> tuple[int, int]:
        """Candidate and baseline."""
        return self.record.candidate, self.record.baseline

    @property
    def step(self) -> int:
        """The step that it is at, from 1; 0 while the baseline's latency is measured."""
        return 0 if self.lines is None else self.record.step + 1

    @property
    def users_at_step(self) -> int | None:
        """The step that users are counted for, each once; None where they are not the units."""
        return self.step if self.sticky else None

    @property
    def percents(self) -> tuple[float | None, float | None]:
        """The shares of candidate and baseline; None where a person's word decides them."""
        match self.end:
            case End.PROMOTED:
                return 100.0, 0.0
            case End.ROLLED_BACK:
                return 0.0, 100.0
            case End.STOPPED:
                return None, None
            case _:
                return self.percent, 100.0 - self.percent

    @property
    def percent(self) -> float:
        """The candidate's share, as long as the rollout goes on."""
        return 0.0 if self.lines is None else self.plan.shares_percent[self.record.step]

    @property
    def judged(self) -> dict[int, tuple[int, ...]]:
        """The versions that gateways are to count for this, and the lines of each, in ns."""
        if self.end is not None:
            return {}
        if self.lines is None:
            return {self.record.baseline: ()}
        return {
            self.record.candidate: tuple(line.candidate_ns for line in self.lines),
            self.record.baseline: tuple(line.control_ns for line in self.lines),
        }

    def saying(self, what: str, why: str, now: float) -> "Course":
        """Return it with this said; what lasts is told anew, and began when it did."""
        at, before = round(1000 * now), self.said
        if before and what in LASTING and before[-1].what == what:
            at, before = before[-1].unix_ms, before[:-1]
        return replace(self, said=(*before[-(MOST_SAID - 1) :], Said(at, what, why)))

    def ended(self, end: End, why: str, now: float) -> "Course":
        """Return it at its end."""
        return replace(self, end=end, is_told=False).saying(end.value, why, now)


def looked(course: Course, sight: Sight, now: float) -> Course:
    """Return a rollout after a look at its versions: at the same step, at the next, or ended.

    ``now``: of what is said, in seconds since 1970.
    """
    course = replace(course, watched_s=course.watched_s + sight.passed_s)
    ways = [sight.ways.get(version, Way.CANNOT) for version in course.versions]
    # What requests meet while a version is away is no evidence about it: its crash is.
    course = _taken(course, sight, observes=all(way is Way.ANSWERS for way in ways))
    coming = [one for one, way in zip(course.versions, ways, strict=True) if way is Way.COMES]
    if coming:
        return course.saying("wait", f"version {coming[0]} is being loaded", now)
    if course.lines is None:
        return _measured(course, now)
    return _moved(course, next_move(course.plan, course.record, course.watched_s), now)


def _taken(course: Course, sight: Sight, *, observes: bool) -> Course:
    """Return it with what was counted since the last look."""
    lines = course.judged
    seen, new = list(course.seen), []
    for at, version in enumerate(course.versions):
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
    if course.lines is not None and observes:
        found = deltas(course.plan, *new, by_users=bool(course.sticky))
        if course.sticky:
            found = of_users(found, (seen[0].heard_by, seen[1].heard_by))
        taken = replace(taken, record=course.record.observed(found))
    return _with_health(taken, sight)


def _with_health(course: Course, sight: Sight) -> Course:
    now = [sight.crashes.get(version, 0) for version in course.versions]
    # A server that began anew counts from zero.
    more = [one - old if one >= old else one for one, old in zip(now, course.crashes, strict=True)]
    known = course.record.health
    health = Health(
        sight.ways.get(course.record.candidate, Way.CANNOT) is not Way.CANNOT,
        sight.ways.get(course.record.baseline, Way.CANNOT) is not Way.CANNOT,
        known.candidate_crashes + more[0],
        known.control_crashes + more[1],
    )
    return replace(course, crashes=(now[0], now[1]), record=replace(course.record, health=health))


def _measured(course: Course, now: float) -> Course:
    """Return it as the baseline's latency goes on to be measured, or at its first step."""
    record, plan = course.record, course.plan
    if not record.health.candidate_ready:
        return course.ended(End.ROLLED_BACK, f"version {record.candidate} cannot answer", now)
    counts = dense(course.latency[1])
    answers = sum(counts)
    if answers >= LEAST_HISTORY:
        asked = quantiles(plan).values()
        lines = tuple(SlowLines.of_history(counts, part, ratio) for part, ratio in asked)
        drawn = "; ".join(
            f"{name}: slow beyond {line.candidate_ns / 1e6:.4g} ms, of version {record.baseline} "
            f"beyond {line.control_ns / 1e6:.4g} ms"
            for name, line in zip(quantiles(plan), lines, strict=True)
        )
        begun = replace(record, step_started_at=course.watched_s)
        first = replace(course, lines=lines, record=begun, seen=(Seen(), Seen()), latency=((), ()))
        return replace(first, compared_s=now).saying("step", f"{first.percent:.4g} %; {drawn}", now)
    if course.watched_s >= 3600 * plan.max_hours:
        why = f"{plan.max_hours:.4g} hours are over, and version {record.baseline} gave {answers} "
        return course.ended(End.INCONCLUSIVE, f"{why}of {LEAST_HISTORY} answers", now)
    why = f"{answers} of {LEAST_HISTORY} answers of version {record.baseline}, to know its latency"
    return course.saying("measure", why, now)


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
