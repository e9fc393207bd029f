"""What may be written under ``batching`` in a model.yaml."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from headrace.config.joining import Join
from headrace.config.section import LONGEST_S, AtItem, Section, rising

#: The widest batch, and queue, that fit the core's 32-bit counts with room to spare.
MOST_ROWS = 1 << 20
#: Each level has a queue of its own, and more are told apart by nobody.
MOST_PRIORITIES = 16
#: Fits a number of JSON.
MOST_COST = 1 << 53
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS)]
Priority = Annotated[int, Field(ge=1, le=MOST_PRIORITIES)]


class CostTerm(Section):
    """What is counted of a request: its rows, or something of one of its inputs."""

    rows: Literal[True] | None = None
    elements: str | None = Field(None, description="Elements of this input.")
    bytes: str | None = Field(None, description="Bytes of this input.")
    value: str | None = Field(None, description="The sum of this input's values, integers.")

    @model_validator(mode="before")
    @classmethod
    def _rows_alone(cls, given: Any) -> Any:
        return {"rows": True} if given == "rows" else given

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("expected rows or one of {elements: x}, {bytes: x}, {value: x}")
        return self

    @property
    def input(self) -> str | None:
        """The input that is looked at."""
        return self.elements or self.bytes or self.value

    def facts(self) -> Any:
        """Return it as it is written."""
        return "rows" if self.rows else self.model_dump(exclude_unset=True)


class Batching(Section):
    """How requests are gathered before they reach the model."""

    max_rows: Rows = Field(64, description="Most rows of a batch, and of one request.")
    allowed_rows: tuple[Rows, ...] = Field(
        (),
        strict=False,
        max_length=64,
        description="Sizes that a batch may have, rising up to max_rows; smaller batches are "
        "padded with their last row. Default: any size.",
    )
    unbatched: bool = Field(
        False,
        description="Tensors have no axis of rows for callers: a request is a batch, of one row. "
        "Then max_rows is 1.",
    )
    split_oversize: bool = Field(
        False,
        description="A request of more than max_rows rows is cut into several, whose answers are "
        "joined; it may have queue_rows rows, and 256 times max_rows. Default: it is refused.",
    )
    max_delay_ms: Annotated[float, Field(ge=0, le=60_000)] = Field(
        0.0, description="How long a batch may be held open, counted from its oldest arrival."
    )
    queue_rows: Rows = Field(
        2048, description="Rows that may wait in a gateway before requests are refused."
    )
    deadline_ms: Annotated[float, Field(gt=0, le=1000 * LONGEST_S)] | None = Field(
        None, description="The deadline of a request that brings none; without it it may wait."
    )

    priorities: Priority = Field(
        1,
        description="Levels that a request's parameter `priority` may name, 1 being the highest; "
        "each has queue_rows of its own.",
    )
    default_priority: Priority | None = Field(
        None,
        description="The level of a request that names none, or one that there is not. "
        "Default: the lowest.",
    )
    tenant_header: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")] | None = Field(
        None,
        description="The header, or metadata, that says whom a request is for, in lower case: "
        "within a priority tenants are served alike, in rows. Default: requests have no tenants.",
    )
    max_cost: Annotated[int, Field(ge=1, le=MOST_COST)] | None = Field(
        None,
        description="Most cost of a batch, or of the sequences at work together; a request that "
        "alone costs more is refused. Default: any.",
    )
    cost: tuple[CostTerm, ...] = Field(
        (),
        strict=False,
        max_length=16,
        description="What a request costs: the sum of these. Default: its rows.",
    )
    join: dict[str, Join] = Field(
        {},
        max_length=64,
        description="Of an input, how rows of different sizes share a batch. Default: only rows "
        "of one shape do.",
    )
    like: dict[str, str] = Field(
        {},
        max_length=64,
        description="Of an output, the joined input whose sizes its axes of any size have: each "
        "caller gets what is its own.",
    )

    _sizes_rise = field_validator("allowed_rows")(rising)

    @model_validator(mode="after")
    def _a_full_batch_is_allowed(self) -> Self:
        if self.allowed_rows and self.allowed_rows[-1] != self.max_rows:
            raise ValueError(
                f"the last of allowed_rows is {self.allowed_rows[-1]}, but max_rows is "
                f"{self.max_rows}: make them the same"
            )
        return self

    @model_validator(mode="after")
    def _the_default_exists(self) -> Self:
        if self.default_priority is not None and self.default_priority > self.priorities:
            raise ValueError(
                f"default_priority is {self.default_priority}, but there are priorities 1 to "
                f"{self.priorities}: name one of these, or raise priorities"
            )
        return self

    @model_validator(mode="after")
    def _a_cost_has_a_limit(self) -> Self:
        if self.cost and self.max_cost is None:
            raise ValueError(
                "cost counts for nothing without max_cost: write how much may be at once"
            )
        return self

    @model_validator(mode="after")
    def _outputs_are_like_what_is_joined(self) -> Self:
        for output, name in self.like.items():
            join = self.join.get(name)
            if join is None or join.stack:
                raise AtItem(
                    ("like", output),
                    f"output {output!r} is like {name!r}, which batching.join does not pad or make "
                    "ragged: all its rows have one size, so take this out",
                )
        return self

    @model_validator(mode="after")
    def _a_full_batch_can_wait(self) -> Self:
        if self.queue_rows < self.max_rows:
            raise ValueError(
                f"queue_rows is {self.queue_rows}, but one request may have max_rows = "
                f"{self.max_rows} rows: make queue_rows at least that"
            )
        return self
