"""What model.yaml says of a model, whether or not a version of it can be had."""

from pathlib import Path

from headrace.config.load import load
from headrace.config.schema import ModelConfig
from headrace.errors import ConfigInvalid, RepositoryInvalid
from headrace.repository import sourced
from headrace.repository.folder import CONFIG, home


def config_of(path: Path, model: str) -> ModelConfig:
    """Return what it says by now below ``path``.

    Raises:
        RepositoryInvalid: the model has no folder.
        ConfigInvalid: it is wrong, or cannot be read.
    """
    try:
        folder = home(path.absolute(), model)
        if not folder.is_dir():
            raise RepositoryInvalid(f"{folder} is not there any more")
        return load(folder / CONFIG)
    except OSError as error:
        raise ConfigInvalid(f"{error.filename} cannot be read ({error.strerror})") from error


def asked_of(path: Path, model: str, state: Path) -> str:
    """Return who is asked for a model's versions, a registry or a bucket; empty if nobody is."""
    try:
        config = config_of(path, model)
    except (ConfigInvalid, RepositoryInvalid):
        return ""
    source = config.source
    return "" if source is None else sourced.asked_of(source.parsed, config, state)
