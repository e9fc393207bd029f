"""What MLflow does not take: for good, or from this account. Pure, but for a library's errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from headrace.registry.facts import Place
from headrace.registry.report import Part

#: MLflow says so of what will not be otherwise when it is asked again.
FINAL: Final = frozenset({"INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"})
DENIED: Final = "PERMISSION_DENIED"
#: Stores that keep no files: who creates an experiment says where they are.
DATABASES: Final = frozenset({"mssql", "mysql", "postgresql", "sqlite"})
#: Part → what does not happen, what the account has to have, and what to do else.
ADVICE: Final[Mapping[Part, tuple[str, str, str]]] = {
    Part.TAGS: (
        "the version's tags are not set",
        "edit the registered model",
        "write mlflow: {report: {tags: false}} into model.yaml",
    ),
    Part.ALIASES: (
        "the alias is not moved",
        "edit the registered model",
        "write mlflow: {report: {aliases: false}} into model.yaml",
    ),
    Part.WATCH: (
        "whether somebody moves the alias is not looked at",
        "read the registered model",
        "take mlflow.champion out of model.yaml",
    ),
    Part.RUNS: (
        "metrics, verdict and picture are not told",
        "edit the experiment, or make it",
        "write mlflow: {report: {runs: false}} into model.yaml",
    ),
}


def is_database(uri: str) -> bool:
    """Return whether MLflow's client writes to a database itself, and asks no server."""
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def is_final(error: Exception, place: Place) -> bool:
    """Return whether MLflow refuses what it was told, and will again.

    What stands before a server and answers in its stead, such as with a page of 404, does not.
    """
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, RestException):
        return error.json.get("error_code") in FINAL
    is_mlflows = is_database(place.tracking) and is_database(place.registry)
    return isinstance(error, MlflowException) and is_mlflows and error.error_code in FINAL


def is_denied(error: Exception) -> bool:
    """Return whether somebody says that this account may not do that.

    MLflow's own server says so in plain text, as what stands before it does: whether it was MLflow,
    only a question tells that every account may ask.
    """
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return bool(error.error_code == DENIED)
    # Files that go by MLflow's server are sent past its client.
    status = getattr(getattr(error, "response", None), "status_code", None)
    return bool(status == HTTPStatus.FORBIDDEN)


def denial(part: Part, error: Exception) -> str:
    """Return what follows from a denial, and what to do about it."""
    what, right, instead = ADVICE[part]
    said = " ".join(str(error).split())
    return f"{what}: the registry denies it ({said}); let this account {right}, or {instead}"
