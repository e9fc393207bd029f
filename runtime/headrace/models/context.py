"""What a model is told when it loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging


@dataclass(frozen=True)
class Context:
    """Where a version lives and what it runs on."""

    #: Name of the model, as callers write it.
    model: str
    version: int
    #: The version's own folder: its files and what it imports are there.
    folder: Path
    #: ``"cpu"`` or ``"cuda:0"``, as ``placement.gpus`` in model.yaml asks for.
    device: str = "cpu"
    #: All of them, of a version that asks for several GPUs; the first is ``device``.
    devices: Sequence[str] = ("cpu",)
    #: ``parameters`` of model.yaml, as they are written there.
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> "logging.Logger":
        """A logger whose lines reach the terminal and ``headrace logs`` with the model's name."""
        import logging

        return logging.getLogger(f"headrace.model.{self.model}.{self.version}")
