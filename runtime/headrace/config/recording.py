"""What may be written under ``recording`` in a model.yaml."""

from typing import Annotated

from pydantic import Field

from headrace.config.section import Section


class Recording(Section):
    """Some of what callers sent is kept in the state folder, for new versions to warm up with."""

    batches: Annotated[int, Field(ge=1, le=1024)] = Field(
        64, description="How many are kept, the newest, of all versions of the model."
    )
    max_bytes: Annotated[int, Field(ge=1, le=64 << 20)] = Field(
        1 << 20, description="Of one; it has as many rows as fit."
    )
