"""A version with the environment that it has to itself."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from headrace.environments.environment import interpreter
from headrace.errors import RepositoryInvalid
from headrace.repository.folder import CONFIG, Say, Version, tell


def equipped(
    version: Version, state: Path, engine: Literal["ray", "local"] = "ray", say: Say = tell
) -> Version:
    """Return the version with its interpreter; what is not there is installed into ``state``.

    Raises:
        RepositoryInvalid: its requirements file is not where it may be, or the engine runs all
            versions in one process.
        RequirementsInvalid: what that asks for cannot be had.
    """
    name = version.config.environment
    if name is None:
        return version
    if engine == "local":
        raise RepositoryInvalid(
            f"{version.home / CONFIG}: {version.label} has an environment of its own ({name}), "
            "and --engine local runs all versions in one process: serve it on Ray, or take "
            "environment out and install what it needs beside headrace"
        )
    return replace(version, python=interpreter(_requirements(version, name), state, say))


def _requirements(version: Version, name: str) -> Path:
    places = [version.folder / name, version.home / name]
    for place in places:
        if place.is_file():
            return place
    raise RepositoryInvalid(
        f"{version.home / CONFIG}: environment is {name}, and neither {places[0]} nor {places[1]} "
        "is there"
    )
