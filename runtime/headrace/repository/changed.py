"""Versions that serve, as their model.yaml has them by now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from headrace.config.changes import Change, changes
from headrace.config.schema import ModelConfig
from headrace.errors import NotLive, RepositoryInvalid
from headrace.repository.folder import Version, configuration

#: Of what takes a restart: enough to know by.
MOST_SHOWN: Final = 10


@dataclass(frozen=True)
class Changed:
    """A version with the configuration that it shall have, and what is new in it."""

    version: Version
    changes: tuple[Change, ...]


def changed(versions: Sequence[Version], model: str) -> list[Changed]:
    """Read the model.yaml of ``model``, of all where it is empty, and return what has changed.

    Raises:
        RepositoryInvalid: there is no such model.
        ConfigInvalid: a model.yaml is wrong.
        NotLive: something has changed that a version takes only when it is loaded.
    """
    names = sorted({one.model for one in versions})
    if model and model not in names:
        raise RepositoryInvalid(f"no model {model!r} is served here; there is {', '.join(names)}")
    configs: dict[str, ModelConfig] = {}
    found = []
    for version in versions:
        # Nothing of model.yaml is for what another server runs.
        if model in ("", version.model) and version.backend != "upstream":
            if not version.folder.is_dir():
                raise RepositoryInvalid(
                    f"nothing was changed: {version.folder} is gone, from which {version.label} is "
                    "served"
                )
            if version.model not in configs:
                configs[version.model] = configuration(version.home)
            config = configs[version.model]
            if different := tuple(changes(version.config, config)):
                found.append(Changed(replace(version, config=config), different))
    if not_live := [(one, change) for one in found for change in one.changes if not change.is_live]:
        told = [f"{one.version.label}: {change}" for one, change in not_live[:MOST_SHOWN]]
        raise NotLive(
            "nothing was changed. A version takes this only when it is loaded, so restart the "
            "server, or take it back to apply the rest:\n" + "\n".join(told)
        )
    return found
