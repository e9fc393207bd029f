"""A rollout from its beginning to its end: what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import takewhile
from typing import Final

from headrace.config.rollouts import RolloutPlan
from headrace.repository.instances import control_of
from headrace.rollout.counted import Counted, Histogram, Seen
from headrace.rollout.criteria import quantiles
from headrace.rollout.latency import SlowLines
from headrace.rollout.record import Record
from headrace.rollout.swings import STILL, Swings

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
    """What there is to see of what is compared at one moment, each by the number it is counted as.

    Attributes:
        crashes: of processes since this server began, by version.
        passed_s: since the last look, by a clock that only goes forward; what nobody watched is
            none of it.
        reasons: why each is as it is.
    """

    counted: tuple[Counted, ...]
    ways: Mapping[int, Way]
    crashes: Mapping[int, int]
    passed_s: float
    reasons: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Course:
    """A rollout. Replaced, never changed.

    Attributes:
        who, why: of the person who began it.
        lines: where answers are slow, of each quantile that is judged; None until the baseline's
            latency is known, and what is loaded for the rollout alone has come.
        seen: of candidate and control, which is the baseline until the first step.
        latency: of both since both have traffic; the baseline's from before that while it is all
            there is.
        crashes: of both, at the last look.
        watched_s: for so long it was looked at: what times of plan and record are of.
        said: the newest last.
        is_told: registries know how it ended.
        compared_s: when both began to have traffic, in seconds since 1970; 0 from the beginning.
        sticky: what users are known by, where they are the units; else empty.
        swings: of what both arms' answers take, beyond those of chance.
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
    swings: Swings = STILL

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
        lines = None if quantiles(plan) or plan.stands_twice else ()
        began = round(1000 * now)
        units = f"; users are the units, by {sticky}" if sticky else ""
        begun = Said(began, "begin", against(plan, candidate, baseline) + units)
        return Course(
            number, model, plan, who, why, began, record, lines,
            crashes=crashes, said=(begun,), sticky=sticky,
        )  # fmt: skip

    @property
    def versions(self) -> tuple[int, int]:
        """Candidate and baseline."""
        return self.record.candidate, self.record.baseline

    @property
    def arms(self) -> tuple[int, int]:
        """The numbers by which candidate and control are counted."""
        return arms(self.plan, *self.versions)

    @property
    def instances(self) -> tuple[int, ...]:
        """All that have to answer, by these numbers: the arms, and who serves the rest."""
        return tuple(dict.fromkeys((*self.arms, self.record.baseline)))

    @property
    def step(self) -> int:
        """The step that it is at, from 1; 0 before the first."""
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
        candidate, control = self.arms
        return {
            candidate: tuple(line.candidate_ns for line in self.lines),
            control: tuple(line.control_ns for line in self.lines),
        }

    def saying(self, what: str, why: str, now: float) -> "Course":
        """Return it with this said; what lasts is told anew, and began when it did.

        Of what takes turns, as to wait and to hold, each is there once.
        """
        at, before = round(1000 * now), self.said
        lasting = takewhile(lambda said: said.what in LASTING, reversed(before))
        same = [said for said in lasting if said.what == what]
        if same and what in LASTING:
            at, before = same[0].unix_ms, tuple(said for said in before if said is not same[0])
        return replace(self, said=(*before[-(MOST_SAID - 1) :], Said(at, what, why)))

    def ended(self, end: End, why: str, now: float) -> "Course":
        """Return it at its end."""
        return replace(self, end=end, is_told=False).saying(end.value, why, now)


def arms(plan: RolloutPlan, candidate: int, baseline: int) -> tuple[int, int]:
    """Return the numbers by which candidate and control of a plan are counted."""
    if plan.kind == "a/a":
        return control_of(baseline), baseline
    return candidate, control_of(baseline) if plan.stands_twice else baseline


def against(plan: RolloutPlan, candidate: int, baseline: int) -> str:
    """Return what is compared with what, in words."""
    if plan.kind == "a/a":
        return f"version {candidate} against itself"
    return f"version {candidate} against {baseline}{' in hosts of its own' * plan.stands_twice}"
