"""Which answers of a version can be labelled later, and for how long."""

from typing import Annotated, Final

from pydantic import Field

from headrace.config.rollouts import Percent
from headrace.config.section import Section

#: As long as what labels said is kept by the hour.
LONGEST_HOURS: Final = 720


class Feedback(Section):
    """Answers have ids, by which labels that come later are joined with them."""

    output: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="What labels are compared with; the only output if left out."
    )
    within_hours: Annotated[int, Field(ge=1, le=LONGEST_HOURS)] = Field(
        72, description="How long a label may take."
    )
    sample_percent: Percent = Field(100.0, description="How many answers have an id.")
