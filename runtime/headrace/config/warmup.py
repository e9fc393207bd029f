"""What may be written under ``warmup`` in a model.yaml."""

from typing import Annotated

from pydantic import Field

from headrace.config.section import LONGEST_S, Section


class Warmup(Section):
    """Batches that a version runs before it is ready."""

    max_s: Annotated[float, Field(gt=0, le=LONGEST_S)] | None = Field(
        None,
        description="No batch begins later than that; one is run at least. Default: each size is "
        "run, with each sample.",
    )
