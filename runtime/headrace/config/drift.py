"""What may be written under ``drift`` in a model.yaml."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from headrace.config.section import Section

#: As the core has it; each tensor has a few dozen histograms.
MOST_TENSORS = 8

Name = Annotated[str, Field(min_length=1, max_length=128)]


class Drift(Section):
    """Tensors that are watched: whether they are as they were when the version was new."""

    inputs: tuple[Name, ...] = Field(
        (), strict=False, max_length=MOST_TENSORS, description="Inputs that are watched, by name."
    )
    outputs: tuple[Name, ...] = Field(
        (), strict=False, max_length=MOST_TENSORS, description="Outputs that are watched, by name."
    )
    sample_per_second: Annotated[int, Field(ge=1, le=1000)] = Field(
        20, description="Requests that are looked at, at most; of each one row."
    )
    reference_rows: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        2000, description="The version's first rows, which later ones are compared with."
    )
    window_rows: Annotated[int, Field(ge=50, le=1_000_000)] = Field(
        500, description="Rows that are compared at once."
    )
    false_alarms_per_day: Annotated[float, Field(gt=0, le=100)] = Field(
        0.1, description="How many there may be, on average, where nothing changes."
    )
    least_score: Annotated[float, Field(ge=0, le=1)] = Field(
        0.02, description="A smaller change is none, however sure it is (bits, from 0 to 1)."
    )

    @model_validator(mode="after")
    def _something_is_watched(self) -> Self:
        if not self.inputs and not self.outputs:
            raise ValueError("expected inputs or outputs to watch, such as outputs: [scores]")
        return self
