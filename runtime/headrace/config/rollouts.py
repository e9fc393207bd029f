"""How a rollout is planned: steps, what is judged, and what may be risked."""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from headrace.config.section import AsWritten, Section

MOST_STEPS = 32
#: What no plan has to ask for: requests that a version was too slow to take, a unit each second,
#: and those that it refused as wrong, a unit each run. Callers of both arms are the same.
GUARDS = ("unserved", "refused")
#: As registries take it in names of metrics.
VALUE_NAME = r"^[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,63}$"
#: More is a number that was typed wrong.
MOST_COUNTED = 10**9
#: Less would ask for evidence that no traffic brings.
LEAST_ALPHA = 1e-9


def _of_traffic(given: float) -> float:
    # Traffic is divided in parts of a ten-thousandth.
    if round(given, 2) != given:
        raise ValueError(f"expected at most two digits after the point, not {given!r}")
    return given


Percent = Annotated[AsWritten, Field(ge=0.01, le=100), AfterValidator(_of_traffic)]
Points = Annotated[AsWritten, Field(ge=0, lt=100)]


class ErrorsWithin(Section):
    """Of executions that fail."""

    max_increase_points: Points = Field(
        0.5, description="By how many percentage points more of them may fail than the control's."
    )


class LatencyWithin(Section):
    """Of a quantile of latency."""

    max_ratio: Annotated[AsWritten, Field(ge=1, le=100)] = Field(
        1.1, description="How many times the control's it may be."
    )


class AgreementWithin(Section):
    """Of answers to mirrored requests that agree with the baseline's."""

    min_percent: Annotated[AsWritten, Field(gt=0, lt=100)] | None = Field(
        None, description="How many have to, whatever the baseline agrees with itself."
    )
    max_drop_points: Points | None = Field(
        None, description="By how many points fewer may than the baseline agrees with itself."
    )
    mirror_percent: Percent = Field(5.0, description="How much of the traffic is mirrored for it.")
    repeatable: bool = Field(
        False,
        description="The candidate has no side effects: it may run what the baseline has answered, "
        "whatever its model.yaml says.",
    )

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.min_percent is None) == (self.max_drop_points is None):
            raise ValueError(
                "expected one of min_percent and max_drop_points: a fixed limit, or a comparison "
                "with how far the baseline agrees with itself"
            )
        return self


class AccuracyWithin(Section):
    """Of answers that feedback called right."""

    max_drop_points: Points = Field(1.0, description="By how many points fewer than the control's.")


class ValueWithin(Section):
    """Of a score that labels bring, by its name there."""

    low: AsWritten = Field(description="The lowest that it may be; what is lower counts as this.")
    high: AsWritten = Field(description="The highest.")
    better: Literal["higher", "lower"] = "higher"
    max_loss: Annotated[AsWritten, Field(ge=0)] = Field(
        description="By how much its mean may be worse than the control's."
    )

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        # Badness is a part of what is between them: of an infinite span it would be no number.
        if not (self.low < self.high and self.max_loss < self.high - self.low < math.inf):
            raise ValueError(
                "expected low < high, a finite number apart, and max_loss below that, not "
                f"{self.low:g}, {self.high:g} and {self.max_loss:g}"
            )
        return self


class Judge(Section):
    """What a rollout is judged by; at least one."""

    errors: ErrorsWithin | None = None
    p50: LatencyWithin | None = None
    p95: LatencyWithin | None = None
    p99: LatencyWithin | None = None
    agreement: AgreementWithin | None = None
    accuracy: AccuracyWithin | None = None
    values: dict[Annotated[str, Field(pattern=VALUE_NAME)], ValueWithin] = Field(
        default_factory=dict, max_length=16
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("expected something to judge by, such as errors: {}")
        if taken := set(self.values) & ({*type(self).model_fields, *GUARDS} - {"values"}):
            raise ValueError(f"values: {min(taken)} is a metric already; give it another name")
        return self


class Minimum(Section):
    """What has to be seen at a step before the next."""

    units: Annotated[int, Field(ge=1, le=MOST_COUNTED)] = Field(
        100, description="Units of each metric, of the candidate and of what it is compared with."
    )
    minutes: Annotated[AsWritten, Field(ge=0)] = 5.0


class Ramp(Section):
    """Steps of the same height and duration."""

    from_percent: Percent = 1.0
    to_percent: Percent = 50.0
    steps: Annotated[int, Field(ge=2, le=MOST_STEPS - 1)] = 10

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.from_percent >= self.to_percent:
            raise ValueError("expected from_percent below to_percent")
        return self


class RolloutPlan(Section):
    """A plan, which has a name under ``rollouts``."""

    NOT_YET: ClassVar = {
        "dry_run": "`headrace rollout start --dry-run` says what would come, and kind: "
        "shadow-first with approval: each_step moves nothing before a person agrees"
    }

    kind: Literal["canary", "a/b", "a/a", "shadow-first"] = Field(
        "canary",
        description="canary: steps, then all traffic; a/b: one share until one is proven worse "
        "or good enough; a/a: the same version twice, which proves the test; shadow-first: a "
        "canary that begins with mirrored traffic alone.",
    )
    steps_percent: tuple[Percent, ...] = Field(
        (1.0, 5.0, 25.0, 100.0), strict=False, min_length=1, max_length=MOST_STEPS
    )
    ramp: Ramp | None = Field(None, description="Instead of steps_percent.")
    control: Literal["own", "baseline"] = Field(
        "baseline",
        description="own: new replicas of the baseline with the candidate's share and age; "
        "baseline: whatever serves the rest.",
    )
    judge: Judge
    minimum: Minimum = Minimum()
    alpha: Annotated[AsWritten, Field(ge=LEAST_ALPHA, le=0.5)] = Field(
        0.05, description="How likely a candidate that is not worse may be called worse, at most."
    )
    max_harm_units: Annotated[AsWritten, Field(gt=0)] | None = Field(
        None, description="How many more units may fail than would have with the control."
    )
    max_crashes: Annotated[int, Field(ge=0, le=MOST_COUNTED)] = Field(
        2, description="How many more crashes than the control's are not yet a reason to go back."
    )
    max_hours: Annotated[AsWritten, Field(gt=0, le=24 * 365)] = 24.0
    when_inconclusive: Literal["hold", "roll_back"] = "hold"
    approval: Literal["none", "promotion", "each_step"] = "none"
    keep_previous_hours: Annotated[AsWritten, Field(ge=0, le=24 * 365)] | None = Field(
        None,
        description="How long the baseline stays loaded after a promotion; until somebody unloads "
        "it if left out.",
    )

    @field_validator("steps_percent")
    @classmethod
    def _rising(cls, given: tuple[float, ...]) -> tuple[float, ...]:
        if list(given) != sorted(set(given)):
            raise ValueError("expected steps that rise")
        return given

    @model_validator(mode="after")
    def _steps_fit(self) -> Self:
        if self.max_harm_units is not None and self.judge.errors is None:
            raise ValueError("max_harm_units counts failures: expected judge.errors beside it")
        if self.kind == "shadow-first" and self.judge.agreement is None:
            raise ValueError(
                "shadow-first begins with mirrored traffic alone, of which agreement is all that "
                "can be judged: expected judge.agreement, such as {min_percent: 98}"
            )
        if self.ramp is not None and "steps_percent" in self.model_fields_set:
            raise ValueError("expected steps_percent or ramp, not both")
        judged = self.shares_percent
        if len(set(judged)) != len(judged):
            raise ValueError("expected steps of the ramp that are at least 0.01 % apart")
        if not any(judged):
            raise ValueError("expected a step below 100 %, at which something can be compared")
        most = 50.0 if self.control == "own" else 100.0
        if judged[-1] > most:
            raise ValueError(
                f"expected steps of at most {most:g} % (then 100): a control of its own has the "
                f"candidate's share, and {judged[-1]:g} % is more than half"
            )
        if self.kind in ("a/b", "a/a") and len(judged) != 1:
            raise ValueError(f"expected one share for {self.kind}, such as steps_percent: [50]")
        if self.kind == "a/a" and self.control == "own":
            raise ValueError(
                "a/a has one version twice, and is its own control: expected control: baseline, "
                "and steps_percent: [50] where both are to have the same share"
            )
        return self

    @property
    def stands_twice(self) -> bool:
        """Whether the baseline is carried a second time, in hosts of their own."""
        return self.control == "own" or self.kind == "a/a"

    @property
    def shares_percent(self) -> tuple[float, ...]:
        """The shares at which a candidate is judged, in order; 0 is mirrored traffic alone."""
        if self.ramp is not None:
            height = (self.ramp.to_percent - self.ramp.from_percent) / (self.ramp.steps - 1)
            rising = tuple(
                round(self.ramp.from_percent + height * at, 2) for at in range(self.ramp.steps)
            )
        else:
            rising = self.steps_percent
        shadow = (0.0,) if self.kind == "shadow-first" else ()
        return shadow + tuple(share for share in rising if share < 100.0)
