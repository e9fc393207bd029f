"""Where MLflow is asked, and where its files are kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headrace.errors import EnvironmentInvalid, SourceAway
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
    """Return where MLflow is asked.

    Args:
        setting: ``mlflow.registry`` of model.yaml, which goes before all else.
        environ: may have MLflow's own variables, of which each stands for both.
        state: the state folder, with a database of its own where nothing else is said.
    """
    if setting is not None:
        return Place(setting, setting)
    tracking, registry = environ.get(TRACKING, ""), environ.get(REGISTRY, "")
    if tracking or registry:
        return Place(tracking or registry, registry or tracking)
    own = _own(state)
    return Place(own, own)


def check_there(asked: Place, state: Path) -> None:
    """Check that the state folder's own database is there, where that is asked.

    Raises:
        SourceAway: it is not.
    """
    database = state.absolute() / DATABASE
    if asked.registry == _own(state) and not database.is_file():
        raise SourceAway(
            f"nothing says where MLflow's registry is, and there is no {database}: set {TRACKING}, "
            "or write mlflow: {registry: http://…} into model.yaml"
        )


def _own(state: Path) -> str:
    return f"sqlite:///{state.absolute() / DATABASE}"


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
