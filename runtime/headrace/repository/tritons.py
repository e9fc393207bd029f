"""A model's folder as Triton has it, with a config.pbtxt and no model.yaml, served as it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headrace.config.schema import ModelConfig
from headrace.config.triton import ensembles, text
from headrace.config.triton.serving import BACKENDS, ENSEMBLE, SWAPS, chosen, served, wanted
from headrace.errors import ConfigInvalid, RepositoryInvalid

#: What to do about what is refused.
ADVICE: Final = (
    "take out of config.pbtxt what the model can do without, or write a class of Headrace's: "
    "`headrace convert` says what there is for each field then"
)


def read(folder: Path, versions: Mapping[int, Path]) -> tuple[str, ModelConfig, list[int]]:
    """Return what runs a model's versions, what its config.pbtxt comes to, and which it chooses.

    Args:
        folder: the model's.
        versions: the folders of all its versions.

    Raises:
        ConfigInvalid: it cannot be read, or asks for what is not there: a line for each field.
        RepositoryInvalid: a version's folder does not hold the file that runs it, or there is none
            that is chosen.
    """
    path = folder / text.FILE
    given = text.read(path)
    if ensembles.is_one(given):
        return _ensemble(given, path, versions)
    file, wrong = wanted(given)
    if wrong:
        raise ConfigInvalid(f"{path}: {wrong}")
    numbers = _chosen(given, path, versions)
    places = [versions[number] for number in numbers]
    file = file or next((one for one in BACKENDS if (places[0] / one).is_file()), "")
    for place in places:
        if not file or not (place / file).is_file():
            raise RepositoryInvalid(
                f"{place} does not hold {file or ' or '.join(BACKENDS)}, which {path} asks for"
            )
    backend = BACKENDS[file]
    _, config, wrong = served(given, folder.name, backend)
    if wrong:
        raise ConfigInvalid(f"{text.told(path, wrong)}\n{ADVICE}")
    return backend, config, numbers


def _chosen(given: Any, path: Path, versions: Mapping[int, Path]) -> list[int]:
    numbers = chosen(given, list(versions))
    if not numbers:
        there = ", ".join(map(str, sorted(versions)))
        raise RepositoryInvalid(f"{path}: version_policy chooses none of {there}, which are there")
    return numbers


def _ensemble(
    given: Any, path: Path, versions: Mapping[int, Path]
) -> tuple[str, ModelConfig, list[int]]:
    """Return the same of a pipeline: its versions' folders are empty."""
    if wrong := ensembles.read(given, path.parent.name)[1]:
        raise ConfigInvalid(text.told(path, wrong))
    config = ModelConfig.model_validate({"versions": SWAPS})
    return ENSEMBLE, config, _chosen(given, path, versions)
