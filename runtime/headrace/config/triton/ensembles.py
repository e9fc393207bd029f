"""Triton's pipelines of models (`ensemble_scheduling`), as an ensemble.yaml would have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from headrace.config.ensemble import Ensemble
from headrace.config.load import explain
from headrace.config.triton import text
from headrace.config.triton.tensors import datatype
from headrace.errors import ConfigInvalid

#: Read here, or without a meaning for what runs nothing itself.
KNOWN: Final = frozenset(
    "name platform backend version_policy max_batch_size input output ensemble_scheduling "
    "optimization parameters model_warmup metric_tags model_metrics response_cache "
    "model_transaction_policy".split()
)
#: The same of a tensor.
KNOWN_OF_TENSORS: Final = frozenset("name data_type dims format label_filename".split())
ALWAYS: Final = "the models of an ensemble say so, each for itself: take it out here"


def is_one(given: Any) -> bool:
    """Return whether a configuration is of a pipeline."""
    return bool(given.HasField("ensemble_scheduling") or given.platform == "ensemble")


def read(given: Any, name: str) -> tuple[Ensemble | None, str]:
    """Return what a configuration comes to, and a line for each thing that there is not.

    Args:
        given: Triton's ModelConfig.
        name: of the model's folder.
    """
    if wrong := "\n".join(f"{field}: {why}" for field, why in _refused(given, name)):
        return None, wrong
    steps = [_step(one) for one in given.ensemble_scheduling.step]
    written = {
        "inputs": [_tensor(one) for one in given.input],
        "outputs": [_tensor(one) for one in given.output],
        "max_rows": given.max_batch_size,
        "steps": steps,
    }
    try:
        return Ensemble.model_validate(written), ""
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc']))}: {explain(one['loc'], one)}"
            for one in error.errors(include_url=False)
        ]
        return None, "\n".join(lines)


def load(path: Path) -> Ensemble:
    """Return what the config.pbtxt at ``path`` comes to.

    Raises:
        ConfigInvalid: it cannot be read, or asks for what is not there: a line for each field.
    """
    ensemble, wrong = read(text.read(path), path.parent.name)
    if ensemble is None:
        raise ConfigInvalid(text.told(path, wrong))
    return ensemble


def _refused(given: Any, name: str) -> Iterator[tuple[str, str]]:
    if given.name not in ("", name):
        yield "name", f"a model's name is its folder's, {name!r}: rename the one or other"
    if not given.HasField("ensemble_scheduling"):
        yield "platform", "an ensemble has ensemble_scheduling, which says its steps"
    if given.model_transaction_policy.decoupled:
        yield "model_transaction_policy.decoupled", "an ensemble gives each request one answer"
    if given.response_cache.enable:
        yield "response_cache", "every request is computed"
    for field, _ in given.ListFields():
        if field.name not in KNOWN:
            yield field.name, ALWAYS
    yield from _refused_tensors(given)
    yield from _refused_steps(given)


def _refused_tensors(given: Any) -> Iterator[tuple[str, str]]:
    for side in ("input", "output"):
        for at, one in enumerate(getattr(given, side)):
            for field, _ in one.ListFields():
                if field.name not in KNOWN_OF_TENSORS:
                    yield f"{side}[{at}].{field.name}", "not known here, of an ensemble"


def _refused_steps(given: Any) -> Iterator[tuple[str, str]]:
    for at, step in enumerate(given.ensemble_scheduling.step):
        field = f"ensemble_scheduling.step[{at}]"
        if step.model_namespace:
            yield f"{field}.model_namespace", "a model is known by its name alone"
        if step.model_version < -1 or step.model_version == 0:
            yield f"{field}.model_version", f"expected a version, or -1, not {step.model_version}"


def _tensor(one: Any) -> dict[str, Any]:
    return {"name": one.name, "datatype": datatype(one), "shape": list(one.dims)}


def _step(one: Any) -> dict[str, Any]:
    return {
        "model": one.model_name,
        "version": None if one.model_version == -1 else one.model_version,
        "inputs": dict(one.input_map),
        "outputs": dict(one.output_map),
    }
