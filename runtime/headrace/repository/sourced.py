"""A model's folder that names a version in a registry, and has none of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from headrace.config.schema import ModelConfig
from headrace.config.source import Address, parse
from headrace.errors import RepositoryInvalid, SourceInvalid
from headrace.registry.facts import flavour
from headrace.registry.source import fetch, resolve

#: MLflow's name of a graph's file is ours.
GRAPH: Final = "model.onnx"


@dataclass(frozen=True)
class Sourced:
    """A version that a registry has, and its files here."""

    #: The registry's.
    number: int
    place: Path
    #: ``mlflow``, or ``onnx`` for a graph.
    backend: str


def read(
    folder: Path,
    config: ModelConfig,
    numbered: Sequence[Path],
    state: Path,
    say: Callable[[str], None],
) -> Sourced:
    """Look up the version that the model.yaml of ``folder`` names, and bring its files here.

    Args:
        folder: the model's.
        config: its model.yaml, which has a source.
        numbered: the folders of versions that are in it: expected are none.
        state: the state folder.
        say: hears what takes its time.

    Raises:
        RepositoryInvalid: there are numbered folders as well.
        SourceInvalid: the version cannot be had.
    """
    if numbered or config.source is None:
        raise RepositoryInvalid(
            f"{folder / 'model.yaml'}: source names the version that is served, and there is "
            f"{numbered[0] if numbered else 'none'}: take one of them out"
        )
    return _fetched(folder, config, parse(config.source), state, say)


def older(
    folder: Path, config: ModelConfig, number: int, state: Path, say: Callable[[str], None]
) -> Sourced:
    """Bring another version of the model here that a model.yaml names, by its number.

    Raises:
        SourceInvalid: the version cannot be had.
    """
    address = replace(parse(config.source or ""), version=number, alias=None)
    return _fetched(folder, config, address, state, say)


def _fetched(
    folder: Path, config: ModelConfig, address: Address, state: Path, say: Callable[[str], None]
) -> Sourced:
    try:
        facts = resolve(address, registry=config.mlflow.registry, state=state)
        chosen = flavour(facts.flavours, facts.label)
        if facts.signature is None and chosen != "onnx":
            raise SourceInvalid(
                f"{facts.label} has no signature, which says what callers send: log it with "
                "signature=mlflow.models.infer_signature(inputs, model.predict(inputs))"
            )
        place = fetch(facts, state=state, say=say)
    except SourceInvalid as error:
        raise SourceInvalid(f"{folder / 'model.yaml'}: source {address}: {error}") from error
    is_graph = chosen == "onnx" and (place / GRAPH).is_file()
    return Sourced(facts.number, place, "onnx" if is_graph else "mlflow")
