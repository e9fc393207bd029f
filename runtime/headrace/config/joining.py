"""What may be written under ``batching.join`` in a model.yaml."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from headrace.config.section import AsWritten, Section, rising

#: Of one axis: as many elements fill the largest batch that the core pads to.
MOST_SIZE = 1 << 30
Size = Annotated[int, Field(ge=1, le=MOST_SIZE)]


class Pad(Section):
    """How the axes of any size are filled up to one."""

    value: AsWritten = Field(0.0, description="What they are filled with.")
    multiple_of: Size = Field(
        1, description="The largest size in the batch is rounded up to a multiple of this."
    )
    sizes: tuple[Size, ...] = Field(
        (),
        strict=False,
        max_length=64,
        description="The sizes that an axis may have, rising; requests that come to different ones "
        "do not share a batch, and what is larger than the last is refused. Default: any size.",
    )

    _sizes_rise = field_validator("sizes")(rising)

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.sizes and "multiple_of" in self.model_fields_set:
            raise ValueError(
                "expected multiple_of or sizes, not both: sizes are what axes are rounded up to"
            )
        return self

    def size(self, longest: int) -> int | None:
        """Return what an axis is padded to whose longest row is so long; None if that is refused.

        As the core does (``decide/shapes.rs``).
        """
        if self.sizes:
            return next((size for size in self.sizes if size >= longest), None)
        return -(-longest // self.multiple_of) * self.multiple_of


class Join(Section):
    """How the rows of one input share a batch."""

    stack: Literal[True] | None = None
    ragged: Literal[True] | None = None
    pad: Pad | None = Field(None, description="Fill axes of any size up to one size.")

    @model_validator(mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        if given == "pad":
            return {"pad": {}}
        return {given: True} if given in ("stack", "ragged") else given

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("expected one of stack, ragged, {pad: {value: 0, multiple_of: 8}}")
        return self
