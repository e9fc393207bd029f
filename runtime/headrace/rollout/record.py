"""What has been seen of a rollout: all that its verdict depends on, and small enough to keep."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from headrace.config.rollouts import RolloutPlan
from headrace.rollout.bets import Units, log_mean
from headrace.rollout.criteria import criteria, guards
from headrace.rollout.evidence import Criterion, Evidence
from headrace.rollout.intervals import Spread


@dataclass(frozen=True, slots=True)
class Health:
    """What needs no statistics.

    Attributes:
        candidate_ready, baseline_ready: whether the version can answer.
        control_ready: whether what the candidate is compared with can, which may be the baseline.
        candidate_crashes, control_crashes: of processes, since the rollout began.
    """

    candidate_ready: bool = True
    baseline_ready: bool = True
    candidate_crashes: int = 0
    control_crashes: int = 0
    control_ready: bool = True


HEALTHY: Final = Health()
#: Of the capital: what is bet on guards.
GUARDS_PART: Final = 0.1


@dataclass(frozen=True, slots=True)
class Record:
    """A rollout so far.

    Attributes:
        candidate, baseline: versions; the same one twice in an A/A test.
        started_at, step_started_at: in seconds, of one clock.
        step: the place in the plan's ``shares_percent``.
        evidence: of each criterion of the plan, in its order.
        log_harm_peak: the largest that ``log_harm`` has been.
        approved_step: the last step that a person has allowed to leave; -1 is none.
    """

    candidate: int
    baseline: int
    started_at: float
    step_started_at: float
    evidence: tuple[Evidence, ...]
    step: int = 0
    log_harm_peak: float = 0.0
    approved_step: int = -1
    health: Health = HEALTHY

    @staticmethod
    def begin(
        plan: RolloutPlan, *, candidate: int, baseline: int, now: float, by_users: bool = False
    ) -> "Record":
        """Return the record of a rollout that begins; ``by_users``: they are the units.

        Raises:
            ValueError: an A/A test has one version, everything else two.
        """
        if (candidate == baseline) != (plan.kind == "a/a"):
            raise ValueError(
                f"{plan.kind} of version {candidate} against {baseline}: expected the same version "
                "twice for a/a, and two for everything else"
            )
        steps = len(plan.shares_percent)
        known = tuple(
            Evidence.empty(criterion, steps, anew=by_users)
            for criterion in (*criteria(plan), *guards(plan))
        )
        return Record(candidate, baseline, now, now, known)

    @property
    def asked(self) -> list[Evidence]:
        """What is known of the metrics that the plan asks for, without guards."""
        return [known for known in self.evidence if not known.criterion.guard]

    def asked_at_step(self, plan: RolloutPlan) -> list[Evidence]:
        """What of it is known at the step that this is at.

        Where only mirrored traffic comes, that is agreement alone: nobody has the candidate's
        answers, and it gets none while others wait, so that nothing else is comparable. A copy that
        fails where the baseline answered does not agree.
        """
        if plan.shares_percent[self.step] == 0.0:
            return [known for known in self.asked if known.criterion.name == "agreement"]
        return self.asked

    @property
    def log_harm(self) -> float:
        """The logarithm of the e-value against "the candidate is worse by no metric".

        The mean of e-values is one, however they depend on each other, and it is never less than
        what Bonferroni's correction has (Vovk and Wang 2021, "E-values: calibration, combination
        and applications"): so alpha holds for all metrics together. Guards have a part of the
        capital, so that those that were asked for lose little by them.
        """
        judged, guards = (
            [known.log_harm for known in self.evidence if known.criterion.guard is guard]
            for guard in (False, True)
        )
        if not guards:
            return log_mean(judged)
        parts = (
            log_mean(judged) + math.log(1 - GUARDS_PART),
            log_mean(guards) + math.log(GUARDS_PART),
        )
        # The mean of both with their weights, as twice the plain one of what is weighed.
        return log_mean(parts) + math.log(2)

    def observed(self, deltas: Mapping[str, tuple[Units, Units]]) -> "Record":
        """Return the record with what came since, by metric, of candidate and control.

        Raises:
            ValueError: the plan judges no such metric.
        """
        names = [known.criterion.name for known in self.evidence]
        if unknown := set(deltas) - set(names):
            raise ValueError(f"expected some of {', '.join(names)}, not {min(unknown)!r}")
        evidence = tuple(
            known.observed(*deltas[name], self.step) if name in deltas else known
            for name, known in zip(names, self.evidence, strict=True)
        )
        seen = replace(self, evidence=evidence)
        return replace(seen, log_harm_peak=max(self.log_harm_peak, seen.log_harm))

    def discounted(self, names: Collection[str], part: float) -> "Record":
        """Return the record if each unit so far of some metrics was as much of one."""
        if part >= 1.0:
            return self
        evidence = tuple(
            known.discounted(part) if known.criterion.name in names else known
            for known in self.evidence
        )
        less = replace(self, evidence=evidence)
        # Of what was reached before as much is left as of what is reached now.
        peak = self.log_harm_peak - max(self.log_harm - less.log_harm, 0.0)
        return replace(less, log_harm_peak=max(peak, less.log_harm))

    def advanced(self, plan: RolloutPlan, now: float) -> "Record":
        """Return the record at the plan's next step.

        Raises:
            ValueError: this is the last one.
        """
        if self.step + 1 >= len(plan.shares_percent):
            raise ValueError(f"expected a step after {self.step + 1}, but it is the plan's last")
        shadow = plan.shares_percent[self.step] == 0.0
        moved = tuple(known.at_next_step(after_shadow=shadow) for known in self.evidence)
        return replace(self, step=self.step + 1, step_started_at=now, evidence=moved)

    def approved(self) -> "Record":
        """Return the record after a person has allowed to leave this step."""
        return replace(self, approved_step=self.step)

    def to_json(self) -> str:
        """Return a text from which ``from_json`` makes an equal record."""
        return json.dumps(asdict(self), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> "Record":
        """Return the record of a text.

        Raises:
            ValueError: it is not one of ``to_json``.
        """
        try:
            given = json.loads(text, parse_constant=_no_number)
            evidence = tuple(_evidence(known) for known in given.pop("evidence"))
            health = Health(**given.pop("health"))
            return Record(evidence=evidence, health=health, **given)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected the record of a rollout as it was written: {error}"
            ) from error


def _no_number(text: str) -> float:
    raise ValueError(f"expected the record of a rollout, of finite numbers, not {text}")


def _evidence(given: dict[str, Any]) -> Evidence:
    units = ("candidate", "control", "step_candidate", "step_control", "recent")
    spread = dict(given["spread"])
    return Evidence(
        criterion=Criterion(**given["criterion"]),
        harm=tuple(tuple(row) for row in given["harm"]),
        fine=tuple(given["fine"]),
        pending=(Units(**given["pending"][0]), Units(**given["pending"][1])),
        spread=Spread(**(spread | {"penalty": tuple(spread["penalty"])})),
        anew=given.get("anew", 0),
        **{name: Units(**given[name]) for name in units},
    )
