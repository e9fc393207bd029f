"""What may be written in a model.yaml."""

import itertools
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from headrace.vocabulary import DATATYPES

#: The widest batch, and queue, that fit the core's 32-bit counts with room to spare.
MOST_ROWS = 1 << 20
#: A week, for whoever wants no limit of time.
LONGEST_S = 604_800.0
#: Hosts of a version, each a process of 100 MiB and more. Serve plans all of them before it starts
#: one, and a million took its controller 8.6 GB.
MOST_REPLICAS = 1000
#: Hosts of a version are on one machine; none has more.
MOST_GPUS = 64
#: Of one axis: more than any body may have elements; products of larger ones leave 64 bits.
LARGEST_SIZE = 1 << 31
Replica = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]
Rows = Annotated[int, Field(ge=1, le=MOST_ROWS)]
#: Each level has a queue of its own, and more are told apart by nobody.
MOST_PRIORITIES = 16
Priority = Annotated[int, Field(ge=1, le=MOST_PRIORITIES)]


class Section(BaseModel):
    """A part of model.yaml: what is not named here is an error, and nothing changes later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    #: Keys that the design has and this release does not → what to do meanwhile.
    NOT_YET: ClassVar[dict[str, str]] = {}


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

    @field_validator("allowed_rows")
    @classmethod
    def _sizes_rise(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        for smaller, larger in itertools.pairwise(given):
            if smaller >= larger:
                raise ValueError(f"expected sizes that rise, but {larger} follows {smaller}")
        return given

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
    def _a_full_batch_can_wait(self) -> Self:
        if self.queue_rows < self.max_rows:
            raise ValueError(
                f"queue_rows is {self.queue_rows}, but one request may have max_rows = "
                f"{self.max_rows} rows: make queue_rows at least that"
            )
        return self


class Replicas(Section):
    """How many hosts a version has."""

    NOT_YET = {"target_wait_ms": "the count is fixed: write min = max"}

    min: Replica = 1
    max: Replica = 1

    @model_validator(mode="after")
    def _the_count_is_fixed(self) -> Self:
        if self.max != self.min:
            raise ValueError(
                f"min is {self.min} and max {self.max}, but this release does not scale by itself: "
                "write the same number for both"
            )
        return self


class Placement(Section):
    """What a version runs on."""

    gpus: Annotated[float, Field(ge=0, le=MOST_GPUS)] = Field(
        0.0, description="Share of a GPU, or whole ones; 0 is the CPU."
    )
    lanes: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Threads that gather, run and answer batches of one host."
    )
    isolation: Literal["own"] = Field("own", description="Every version has its own process.")
    replicas: Replicas = Field(Replicas(), description="How many hosts a version has.")

    @field_validator("isolation", mode="before")
    @classmethod
    def _only_own(cls, given: Any) -> Any:
        if given == "shared":
            raise ValueError("shared is not built yet: leave it out, or write own")
        return given


class Limits(Section):
    """What a version may cost before it is given up."""

    hang_timeout_s: Annotated[float, Field(gt=0, le=LONGEST_S)] = Field(
        300.0,
        description="How long predict may take. Then the callers of the batch are told so, and the "
        "version's process is replaced.",
    )


class TensorEntry(Section):
    """An input or output of a model that has no class to say so."""

    name: Annotated[str, Field(min_length=1)]
    datatype: str
    shape: tuple[int, ...] = Field(strict=False)

    @field_validator("datatype")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in DATATYPES:
            raise ValueError(f"{given!r} is not one of {', '.join(DATATYPES)}")
        return given

    @field_validator("shape")
    @classmethod
    def _sizes(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        for size in given:
            if size < 1 and size != -1:
                raise ValueError(
                    f"{size} is neither a positive size nor -1 (any size); "
                    "the batch axis is implied and not written"
                )
            if size > LARGEST_SIZE:
                raise ValueError(f"expected sizes of at most {LARGEST_SIZE}, not {size}")
        return given


class AtItem(ValueError):
    """What is wrong is further down than the field that is checked."""

    def __init__(self, below: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.below = below


class ModelConfig(Section):
    """A model.yaml: operations only. The tensors are the class's, where there is one."""

    NOT_YET = {
        "versions": "every version of the folder is loaded, and the highest one takes the requests "
        "that name none",
        "traffic": "requests that name no version go to the highest one",
        "rollouts": "requests that name no version go to the highest one",
        "environment": "every model runs in the environment that headrace is installed in",
    }

    batching: Batching = Batching()
    placement: Placement = Placement()
    limits: Limits = Limits()
    repeatable: bool | None = Field(
        None,
        description="The same input may run twice, which allows a retry after a crash. "
        "Default: true for exported PyTorch programs, false for Python classes.",
    )
    parameters: dict[str, Any] = Field({}, description="What load() finds in context.parameters.")
    inputs: tuple[TensorEntry, ...] | None = Field(
        None, strict=False, description="For an exported program, in the order of its arguments."
    )
    outputs: tuple[TensorEntry, ...] | None = Field(
        None, strict=False, description="For an exported program, in the order of its results."
    )

    @field_validator("inputs", "outputs")
    @classmethod
    def _requests_can_fit(cls, given: tuple[TensorEntry, ...] | None) -> Any:
        if given is not None and not given:
            raise ValueError(
                "expected at least one {name: x, datatype: FP32, shape: [3, 224, 224]}, not []"
            )
        names: set[str] = set()
        for at, one in enumerate(given or ()):
            if one.name in names:
                raise AtItem(
                    (at, "name"),
                    f"name: {one.name!r} is the name of another one here: use one name each",
                )
            names.add(one.name)
        return given
