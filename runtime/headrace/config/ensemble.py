"""What may be written in an ensemble.yaml: models that answer a version's requests together."""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from headrace.config.load import load_section
from headrace.config.schema import TensorEntry
from headrace.config.section import Section

#: As of a batch.
MOST_ROWS: Final = 1 << 20
HIGHEST_VERSION: Final = (1 << 63) - 1
Name = Annotated[str, Field(min_length=1, max_length=4096)]


class EnsembleStep(Section):
    """One of the models, and which of the ensemble's tensors it reads and makes."""

    model: Name
    version: Annotated[int, Field(ge=1, le=HIGHEST_VERSION)] | None = Field(
        None, description="The version that is asked; as the model's traffic says if left out."
    )
    inputs: dict[Name, Name] = Field(
        description="The model's name of each input: the ensemble's name of the tensor."
    )
    outputs: dict[Name, Name] = Field(
        description="The same of its outputs; those that nobody reads may be left out."
    )


class Ensemble(Section):
    """A version whose requests other models answer, each with what those before it made."""

    inputs: tuple[TensorEntry, ...] = Field(
        strict=False, description="What callers send, without the axis of rows."
    )
    outputs: tuple[TensorEntry, ...] = Field(strict=False, description="What they get.")
    max_rows: Annotated[int, Field(ge=0, le=MOST_ROWS)] = Field(
        64,
        description="Rows that a request may have, no more than any of the models takes. "
        "0: tensors have no axis of rows.",
    )
    steps: tuple[EnsembleStep, ...] = Field(
        strict=False, description="In any order: each runs as soon as all that it reads is there."
    )

    def settings(self, model: str, version: int) -> dict[str, Any]:
        """Return it as the core reads it."""
        return {"model": model, "version": version, **self.model_dump(mode="json")}


def load(path: Path) -> Ensemble:
    """Return what the ensemble.yaml at ``path`` says.

    Raises:
        FileNotFoundError: there is none.
        ConfigInvalid: a line ``file:line:column: what`` for each error.
    """
    return load_section(path, Ensemble)
