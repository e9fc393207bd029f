"""What is known of one metric of a rollout, in a state of fixed size."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from headrace.rollout.bets import NONE, STAKES, Floats, Units, gains, log_mean
from headrace.rollout.intervals import Spread

#: For how many units a rate is remembered that bets are made by: traffic changes over a day.
MEMORY_UNITS: Final = 20_000.0
#: What a rate is thought to be about before there is a unit. Labels may come all at once, so that
#: the first stretch is bet on, too; a guess that is wrong tenfold costs such a bet a few units.
FIRST_RATE: Final = 0.05
#: What capital is before anything is bet.
UNTOUCHED: Final = (0.0,) * len(STAKES)
UNSPREAD: Final = Spread()


@dataclass(frozen=True, slots=True)
class Criterion:
    """What is asked of one metric.

    Attributes:
        name: as the plan has it.
        margin: by how much the candidate's rate of badness may exceed the control's; where it is
            not ``paired``, the rate that it may have itself.
        paired: compared with the control, or with a fixed limit.
        guard: nobody asked for it: it may send a candidate back, and need not be proven.
    """

    name: str
    margin: float
    paired: bool = True
    guard: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin < 1.0 or (self.margin == 0.0 and not self.paired):
            raise ValueError(
                f"{self.name}: expected a margin from 0 to below 1 (a limit above 0), not "
                f"{self.margin:g}"
            )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one criterion. Nothing in it depends on how often one looks.

    Attributes:
        candidate, control: all units so far.
        step_candidate, step_control: those since the step began.
        harm: logarithms of bets that the candidate is worse than the margin allows, by step at
            which they began and by stake. Those of steps to come have 0: nothing is staked yet.
        fine: logarithms of bets, since the step began, that it is not, by stake.
        pending: units of an arm that wait for the other to have some.
        recent: units of both arms, fading, from which the rate of bets is taken.
        spread: of the difference of rates, to show; of a pair only.
        anew: among how many steps capital is divided where units of one come again in the next, as
            users do: each bets by itself with its part of alpha, and forgets those before. 0: bets
            go on from step to step.
    """

    criterion: Criterion
    harm: tuple[tuple[float, ...], ...]
    candidate: Units = NONE
    control: Units = NONE
    step_candidate: Units = NONE
    step_control: Units = NONE
    fine: tuple[float, ...] = UNTOUCHED
    pending: tuple[Units, Units] = (NONE, NONE)
    recent: Units = NONE
    spread: Spread = UNSPREAD
    anew: int = 0

    @staticmethod
    def empty(criterion: Criterion, steps: int, *, anew: bool = False) -> "Evidence":
        """Return what is known before anything is, of a plan of so many steps."""
        if anew:
            return Evidence(criterion, _alone(steps), anew=steps)
        return Evidence(criterion, (UNTOUCHED,) * steps)

    @property
    def log_harm(self) -> float:
        """The logarithm of the e-value against "not worse than the margin".

        The capital is divided among the steps, each of which bets from where it begins: what a
        candidate was worth at 1 % does not hide what it does at 25 %.
        """
        return log_mean(list(itertools.chain.from_iterable(self.harm)))

    @property
    def log_fine(self) -> float:
        """The logarithm of the e-value against "worse than the margin", of this step alone."""
        return log_mean(self.fine)

    @property
    def candidate_rate(self) -> float:
        """How bad the candidate's units are on average; NaN before there is one."""
        return self.candidate.bad / self.candidate.count if self.candidate.count else math.nan

    @property
    def control_rate(self) -> float:
        """How bad the control's units are on average; NaN before there is one."""
        return self.control.bad / self.control.count if self.control.count else math.nan

    def observed(self, candidate: Units, control: Units, step: int) -> "Evidence":
        """Return what is known with a stretch more, which passed at a step (from 0).

        Units of one arm wait until the other has some, for rates are compared within a stretch.

        Raises:
            ValueError: the plan has no such step.
        """
        steps = self.anew or len(self.harm)
        if not 0 <= step < steps:
            raise ValueError(f"expected a step from 0 to {steps - 1}, not {step}")
        paired = self.criterion.paired
        waiting = self.pending[0] + candidate, self.pending[1] + control
        known = replace(
            self,
            candidate=self.candidate + candidate,
            control=self.control + control,
            step_candidate=self.step_candidate + candidate,
            step_control=self.step_control + control,
            pending=waiting,
        )
        if waiting[0].count == 0.0 or (paired and waiting[1].count == 0.0):
            return known
        return known._settled(*waiting, step)

    def _settled(self, candidate: Units, control: Units, step: int) -> "Evidence":
        paired = self.criterion.paired
        both = candidate + control if paired else candidate
        kept = min(1.0, MEMORY_UNITS / (self.recent.count + both.count))
        grown = self.recent + both
        recent = Units(grown.count * kept, grown.bad * kept)
        rate = self.recent.bad / self.recent.count if self.recent.count else FIRST_RATE
        against = control if paired else None
        worse, fine = gains(candidate, against, rate=rate, margin=self.criterion.margin)
        begun = self.harm[: step + 1]
        return replace(
            self,
            pending=(NONE, NONE),
            recent=recent,
            harm=tuple(_added(row, worse) for row in begun) + self.harm[step + 1 :],
            fine=_added(self.fine, fine),
            spread=self.spread.observed(candidate, control, rate) if paired else self.spread,
        )

    def discounted(self, part: float) -> "Evidence":
        """Return what is known if each unit so far was as much of one.

        What a bet has lost stays lost.
        """
        spread = self.spread
        return replace(
            self,
            candidate=_part(self.candidate, part),
            control=_part(self.control, part),
            step_candidate=_part(self.step_candidate, part),
            step_control=_part(self.step_control, part),
            pending=(_part(self.pending[0], part), _part(self.pending[1], part)),
            recent=_part(self.recent, part),
            harm=tuple(_shrunk(row, part) for row in self.harm),
            fine=_shrunk(self.fine, part),
            spread=Spread(
                spread.difference * part,
                spread.weight * part,
                tuple(penalty * part for penalty in spread.penalty),
            ),
        )

    def at_next_step(self, *, after_shadow: bool = False) -> "Evidence":
        """Return the same at the beginning of another step; what waits for its pair is dropped.

        After mirrored traffic, of which nobody had the answers, units are counted anew.
        """
        known = replace(
            self,
            step_candidate=NONE,
            step_control=NONE,
            fine=UNTOUCHED,
            pending=(NONE, NONE),
        )
        if self.anew:
            known = replace(known, harm=_alone(self.anew), spread=UNSPREAD)
        if after_shadow:
            return replace(known, candidate=NONE, control=NONE, spread=UNSPREAD)
        return known


def _alone(steps: int) -> tuple[tuple[float, ...]]:
    """Return the capital of a step that knows nothing of others: its part (Bonferroni)."""
    return ((-math.log(steps),) * len(STAKES),)


def _part(units: Units, part: float) -> Units:
    return Units(units.count * part, units.bad * part)


def _shrunk(logs: tuple[float, ...], part: float) -> tuple[float, ...]:
    return tuple(log * part if log > 0.0 else log for log in logs)


def _added(logs: tuple[float, ...], gained: Floats) -> tuple[float, ...]:
    return tuple((np.array(logs) + gained).tolist())
