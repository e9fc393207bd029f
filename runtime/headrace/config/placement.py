"""What a model.yaml says of where a version runs."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from headrace.config.section import AtItem, Section

#: Hosts of a version, each a process of 100 MiB and more. Serve plans all of them before it starts
#: one, and a million took its controller 8.6 GB.
MOST_REPLICAS = 1000
#: Hosts of a version are on one machine; none has more.
MOST_GPUS = 64
#: No machine has more, and a number that is typed wrong is found here.
MOST_THREADS = 1024
Replica = Annotated[int, Field(ge=1, le=MOST_REPLICAS)]


class Replicas(Section):
    """How many hosts a version has."""

    NOT_YET: ClassVar = {"target_wait_ms": "the count is fixed: write min = max"}

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
    device_memory_mib: Annotated[int, Field(ge=1, le=1 << 22)] | None = Field(
        None,
        description="What the version takes of its GPU, in MiB; what was measured on this machine "
        "if left out.",
    )
    evictable: bool = Field(
        False,
        description="While nothing leads to the version, it may be unloaded so that another one "
        "has its memory of the GPU.",
    )
    lanes: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None,
        description="Threads that gather, prepare, run and answer batches of one host; if left "
        "out 2 with a GPU, for batches that come and go while it works, else 1.",
    )
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = Field(
        None,
        description="Threads that a lane may work on a batch with, of the model's libraries and of "
        "decoding; a share of the machine if left out.",
    )
    isolation: Literal["own", "shared"] = Field(
        "own",
        description="own: the version has its own process; shared: one process for all versions "
        "that say so and agree on gpus, replicas and threads.",
    )
    replicas: Replicas = Field(Replicas(), description="How many hosts a version has.")

    @field_validator("gpus")
    @classmethod
    def _a_share_is_of_one(cls, given: float) -> float:
        if given > 1 and given != int(given):
            raise ValueError(
                f"expected a share of one GPU, as 0.5, or whole ones, as {int(given)}, not {given}"
            )
        return given

    @model_validator(mode="after")
    def _memory_is_a_gpus(self) -> Self:
        for key in ("device_memory_mib", "evictable"):
            if getattr(self, key) and not self.gpus:
                why = f"{key} is about a GPU, and gpus is 0: write gpus, or take it out"
                raise AtItem((key,), why)
        return self
