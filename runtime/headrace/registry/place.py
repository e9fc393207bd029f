"""Where MLflow is asked, and where its files are kept. Pure, but for one look at a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headrace.errors import EnvironmentInvalid, SourceInvalid
from headrace.registry.facts import Place

#: Of MLflow's own.
TRACKING: Final = "MLFLOW_TRACKING_URI"
REGISTRY: Final = "MLFLOW_REGISTRY_URI"
#: Of the state folder, where nothing says otherwise.
DATABASE: Final = "mlflow.db"
#: Of ours: what is kept of fetched files, in GiB.
CACHE: Final = "HEADRACE_MODEL_CACHE_GIB"
CACHE_GIB: Final = 64
#: A folder of a petabyte is a number that was typed wrong.
MOST_GIB: Final = 1 << 20


def place(setting: str | None, environ: Mapping[str, str], state: Path) -> Place:
    """Return where MLflow is asked; as `meant`, if that is there.

    Raises:
        SourceInvalid: nothing is said, and there is no such database.
    """
    database = state.absolute() / DATABASE
    if _said(setting, environ) is None and not database.is_file():
        raise SourceInvalid(
            f"nothing says where MLflow's registry is, and there is no {database}: set {TRACKING}, "
            "or write mlflow: {registry: http://…} into model.yaml"
        )
    return meant(setting, environ, state)


def meant(setting: str | None, environ: Mapping[str, str], state: Path) -> Place:
    """Return where MLflow is asked, whether or not it is away.

    Args:
        setting: ``mlflow.registry`` of model.yaml, which goes before all else.
        environ: may have MLflow's own variables, of which each stands for both.
        state: the state folder, with a database of its own where nothing else is said.
    """
    own = f"sqlite:///{state.absolute() / DATABASE}"
    return _said(setting, environ) or Place(own, own)


def _said(setting: str | None, environ: Mapping[str, str]) -> Place | None:
    if setting is not None:
        return Place(setting, setting)
    tracking, registry = environ.get(TRACKING, ""), environ.get(REGISTRY, "")
    if tracking or registry:
        return Place(tracking or registry, registry or tracking)
    return None


def cache_bytes(environ: Mapping[str, str]) -> int:
    """Return how many bytes of fetched files are kept.

    Raises:
        EnvironmentInvalid: the variable is no count of GiB.
    """
    given = environ.get(CACHE, "")
    if not given:
        return CACHE_GIB << 30
    if not given.isdecimal() or not given.isascii() or not 1 <= int(given[:9]) <= MOST_GIB:
        raise EnvironmentInvalid(
            f"{CACHE} is {given!r}: expected a number of GiB from 1 to {MOST_GIB}, or nothing for "
            f"{CACHE_GIB}"
        )
    return int(given) << 30
