"""A version as one process tells another of it."""

import json
from pathlib import Path
from typing import Any

from headrace.config.schema import ModelConfig
from headrace.repository.folder import Version


def as_json(version: Version) -> dict[str, Any]:
    """Return it as JSON takes it."""
    return {
        "model": version.model,
        "number": version.number,
        "folder": str(version.folder),
        "backend": version.backend,
        "beside": None if version.beside is None else str(version.beside),
        "python": None if version.python is None else str(version.python),
        # What was not written stays unwritten: some of it is decided where the version is loaded.
        "config": version.config.model_dump(mode="json", exclude_unset=True),
    }


def from_json(told: dict[str, Any]) -> Version:
    """Return what `as_json` made this of."""
    config = ModelConfig.model_validate_json(json.dumps(told["config"]))
    return Version(
        told["model"],
        told["number"],
        Path(told["folder"]),
        told["backend"],
        config,
        beside=_path(told["beside"]),
        python=_path(told["python"]),
    )


def _path(told: str | None) -> Path | None:
    return None if told is None else Path(told)
