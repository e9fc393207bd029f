"""What may be written under ``sequences`` in a model.yaml."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from headrace.config.batching import Batching
from headrace.config.section import LONGEST_S, AtItem, Section

#: Of one host; each has its state, and none is without a bound.
MOST_SEQUENCES = 1 << 16

Name = Annotated[str, Field(min_length=1)]


class Controls(Section):
    """Inputs of the class that callers do not send: they say which sequence a row is of."""

    start: Name | None = Field(None, description="1 in the first request of a sequence.")
    end: Name | None = Field(None, description="1 in the last one.")
    ready: Name | None = Field(None, description="1 where there is a request, else 0.")
    id: Name | None = Field(None, description="The sequence's id.")

    def named(self) -> dict[str, str]:
        """Return what each control input says, by its name."""
        kinds = {"start": self.start, "end": self.end, "ready": self.ready, "id": self.id}
        return {name: kind for kind, name in kinds.items() if name is not None}

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [name for name in (self.start, self.end, self.ready, self.id) if name is not None]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"input {name!r} says two things here: use one name each")
        return self


class Sequences(Section):
    """A stateful model: requests of one sequence are answered in order, by one host."""

    strategy: Literal["oldest", "direct"] = Field(
        "oldest",
        description="oldest: a batch has at most one request of each sequence. direct: each "
        "sequence has a row of its own in every batch.",
    )
    idle_ms: Annotated[float, Field(gt=0, le=1000 * LONGEST_S)] = Field(
        1000.0, description="A sequence that asks nothing for so long is forgotten."
    )
    max_sequences: Annotated[int, Field(ge=1, le=MOST_SEQUENCES)] = Field(
        64,
        description="Sequences at work in one host; others wait in the queue with their first "
        "request.",
    )
    controls: Controls = Field(
        Controls(), description="Inputs of the class that the server fills. Default: none."
    )


def check(
    sequences: Sequences | None,
    batching: Batching,
    *,
    streams: bool,
    repeatable: bool | None,
) -> None:
    """Refuse what does not go together with sequences.

    Raises:
        AtItem: what should be taken out, or changed.
    """
    if sequences is None:
        return
    for at, given, why in (
        (("streams",), streams, "a request of a sequence has one answer: take streams out"),
        (
            ("repeatable",),
            repeatable,
            "what runs twice would change its sequence's state twice: take repeatable out",
        ),
        (
            ("batching", "split_oversize"),
            batching.split_oversize,
            "a request of a sequence has one row: take split_oversize out",
        ),
        (
            ("batching", "join"),
            batching.join and sequences.strategy == "direct",
            "rows of sequences.strategy direct have one shape: take join out, or use oldest",
        ),
        (
            ("sequences", "max_sequences"),
            sequences.strategy == "direct" and sequences.max_sequences > batching.max_rows,
            f"max_sequences is {sequences.max_sequences}, but batching.max_rows is "
            f"{batching.max_rows}, and with strategy direct each sequence has a row: make max_rows "
            "at least that",
        ),
    ):
        if given:
            raise AtItem(at, why)
