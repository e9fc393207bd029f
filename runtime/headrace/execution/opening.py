"""From a version found in a repository to its Model object and its contract with the core."""

import json
from collections.abc import Sequence
from typing import Any

from headrace.backends.exported_program import ExportedProgram
from headrace.backends.python_class import make
from headrace.config.schema import TensorEntry
from headrace.models import Context, Model, Tensor
from headrace.repository.folder import Version
from headrace.repository.private import import_private


def open_model(version: Version) -> Model:
    """Return the version's Model, not loaded yet. What its module raises comes through.

    Raises:
        ModelInvalid: its class does not say what it needs to say.
    """
    if version.backend == "torch":
        config = version.config
        return ExportedProgram(_tensors(config.inputs or ()), _tensors(config.outputs or ()))
    return make(import_private(version.folder, "model"), version.folder / "model.py")


def context(version: Version) -> Context:
    """Return what ``load`` is told."""
    return Context(
        model=version.model,
        version=version.number,
        folder=version.folder,
        device="cuda:0" if version.config.placement.gpus else "cpu",
        parameters=version.config.parameters,
    )


def contract(version: Version, model: Model) -> str:
    """Return what the core needs to know of the version, as JSON."""
    config = version.config
    repeatable = config.repeatable
    facts: dict[str, Any] = {
        "model": version.model,
        "version": version.number,
        "platform": version.backend,
        "inputs": _specs(model.inputs),
        "outputs": _specs(model.outputs),
        "batching": config.batching.model_dump(),
        # An exported program has no state to spoil; a class may have any.
        "repeatable": version.backend == "torch" if repeatable is None else repeatable,
        "lanes": config.placement.lanes,
    }
    return json.dumps(facts)


def _tensors(entries: Sequence[TensorEntry]) -> list[Tensor]:
    return [Tensor(one.name, one.datatype, one.shape) for one in entries]


def _specs(tensors: Sequence[Tensor]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)} for one in tensors
    ]
