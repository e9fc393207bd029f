"""MLflow is asked here, in a process of its own: it brings NumPy, pandas and 150 MiB.

A server counts its threads before NumPy comes, and has no use for MLflow once files are here.
"""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from headrace.errors import SourceAway, SourceInvalid
from headrace.registry.delivering import deliver
from headrace.registry.facts import Facts, Place, Signature, as_json

#: Of MLflow, where nothing else is set: an answer within a minute, no bars, no word to its makers.
SETTINGS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
INSTALL: Final = "pip install 'headrace[mlflow]'"
TRY: Final = "is it up, and is its address right?"
AGAIN: Final = "is it up, is its address right, and may it be written to? It is asked again"
LOG_IN: Final = (
    "who is let in has MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN, in the environment"
)
#: A model's description, which is in the folder of its files.
MLMODEL: Final = "MLmodel"
#: An address of a SQLite database with the path of its file.
DATABASE: Final = re.compile(r"sqlite(?:\+\w+)?:///(?!file:|:memory:)([^?]+)")
#: A description is a page; what is beyond it is something else.
MOST_MLMODEL_BYTES: Final = 16 << 20
#: Between two words of how far it is, which come with the end of a file.
STEP_BYTES: Final = 64 << 20
#: Files of one model: more are a data set.
MOST_FILES: Final = 100_000
MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
#: To ask again changes nothing about these, and what is here is no answer to them.
REFUSALS: Final = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})
#: MLflow's words for an alias that there is not.
NO_ALIAS: Final = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True)
class File:
    """One of a version's files."""

    #: Below the folder of them.
    path: str
    #: None where the store does not say.
    bytes: int | None


def resolve(place: Place, model: str, version: int | None, alias: str | None) -> Facts:
    """Return what the registry has of a version: of ``version``, or of what ``alias`` names now.

    Raises:
        SourceInvalid: there is no such model, version or alias, it is not whole, or has no MLmodel.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    client = MlflowClient(tracking_uri=place.tracking, registry_uri=place.registry)
    try:
        if alias is not None:
            found = client.get_model_version_by_alias(model, alias)
        else:
            found = client.get_model_version(model, str(version))
        uri = client.get_model_version_download_uri(model, found.version)
    except MlflowException as error:
        if error.error_code not in (MISSING, NO_ALIAS):
            raise
        raise SourceInvalid(_what_is_missing(client, place, model, version, alias)) from error
    label = f"{model}/{found.version}"
    if found.status != "READY":
        raise SourceInvalid(
            f"{label} is {found.status} in the registry {place.registry}: expected READY; wait "
            "until it is registered, or name another version"
        )
    with TemporaryDirectory() as scratch:
        description = _description(label, uri, place, Path(scratch))
        told = Model.load(str(description))
        digest = sha256(description.read_bytes()).hexdigest()
    signature = told.signature and told.signature.to_dict()
    return Facts(
        place=place,
        model=model,
        number=int(found.version),
        alias=alias,
        run_id=found.run_id or None,
        artifacts=uri,
        flavours=list(told.flavors),
        signature=signature and Signature(signature["inputs"], signature["outputs"]),
        tags=dict(found.tags),
        digest=digest,
    )


def fetch(
    place: Place, uri: str, target: Path, most_bytes: int, say: Callable[[str], None]
) -> None:
    """Bring every file of the folder at ``uri`` into the folder ``target``.

    Raises:
        SourceInvalid: they are not there, are more than ``most_bytes``, or do not fit on the disk.
    """
    # What another fetch left cannot be told from what is whole.
    for left in target.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    store = _store(uri, place)
    files = listed(store)
    total = sum(one.bytes or 0 for one in files)
    free = shutil.disk_usage(target).free
    for most, whose in ((most_bytes, "may be kept here"), (free, f"are free below {target}")):
        if total > most:
            raise SourceInvalid(
                f"the files at {uri} have {total} bytes, and {most} {whose}: make room, or raise "
                "HEADRACE_MODEL_CACHE_GIB"
            )
    here = told = 0
    for number, file in enumerate(files, 1):
        (target / file.path).parent.mkdir(parents=True, exist_ok=True)
        store.download_artifacts(file.path, dst_path=str(target))
        if not (target / file.path).is_file():
            raise SourceInvalid(f"{uri} listed {file.path}, and gave no such file: log it again")
        here += (target / file.path).stat().st_size
        if here - told >= STEP_BYTES:
            told = here
            say(f"{here >> 20} of {total >> 20} MiB, {number} of {len(files)} files")


def listed(store: Any) -> list[File]:
    """Return all files of a store of MLflow's, by their paths.

    Raises:
        SourceInvalid: there is none, there are too many, or a path leads elsewhere.
    """
    files: list[File] = []
    folders: list[str | None] = [None]
    while folders:
        for one in store.list_artifacts(folders.pop()):
            _check_path(one.path)
            if one.is_dir:
                folders.append(one.path)
            else:
                files.append(File(one.path, one.file_size))
            if len(files) + len(folders) > MOST_FILES:
                raise SourceInvalid(
                    f"{store.artifact_uri} has more than {MOST_FILES} files: expected those of one "
                    "model; log it without its data"
                )
    if not files:
        raise SourceInvalid(
            f"there is no file at {store.artifact_uri}, where the registry has them: were they "
            "deleted? Log and register the model again"
        )
    return sorted(files, key=lambda one: one.path)


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\x00" in path or "\\" in path:
        raise SourceInvalid(f"the registry names a file {path!r}: expected one below its folder")


def _store(uri: str, place: Place) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri, tracking_uri=place.tracking, registry_uri=place.registry)


def _description(label: str, uri: str, place: Place, scratch: Path) -> Path:
    store = _store(uri, place)
    sizes = {one.path: one.file_size or 0 for one in store.list_artifacts(None)}
    if MLMODEL not in sizes:
        raise SourceInvalid(
            f"{label} has no {MLMODEL} at {uri}: its files were deleted, or it was not logged by "
            "MLflow; log and register it again"
        )
    if sizes[MLMODEL] > MOST_MLMODEL_BYTES:
        raise SourceInvalid(
            f"the {MLMODEL} of {label} has {sizes[MLMODEL]} bytes: expected at most "
            f"{MOST_MLMODEL_BYTES}; log it without what makes it so large"
        )
    return Path(store.download_artifacts(MLMODEL, dst_path=str(scratch)))


def _what_is_missing(
    client: Any, place: Place, model: str, version: int | None, alias: str | None
) -> str:
    from mlflow.exceptions import MlflowException

    where = f"in the registry {place.registry}"
    try:
        registered = client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        return f"no model {model!r} {where}: register it, or correct its name"
    if version is not None:
        return f"model {model!r} has no version {version} {where}: name one that it has"
    known = ", ".join(sorted(registered.aliases)) or "none"
    return (
        f"model {model!r} has no alias {alias!r} {where}: its aliases are {known}; set it, or name "
        "a version"
    )


def _check_there(place: Place, advice: str) -> None:
    """Check that a database in a file is there: MLflow would make one, which knows nothing."""
    for uri in (place.registry, place.tracking):
        named = DATABASE.match(uri)
        if named is not None and not Path(named[1]).is_file():
            raise SourceAway(f"the registry {uri} gives no answer, for its file is gone: {advice}")


def answer(question: Mapping[str, Any], say: Callable[[str], None]) -> Any:
    """Return the answer to a question; ``say`` is told of progress.

    Raises:
        SourceInvalid: there is none, and why.
        SourceAway: the registry, or where its files are, gives none.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    place = Place(**question["place"])
    advice = AGAIN if question["ask"] == "report" else TRY
    try:
        # What is not installed is said first.
        import mlflow  # noqa: F401

        _check_there(place, advice)
        if question["ask"] == "resolve":
            facts = resolve(place, question["model"], question["version"], question["alias"])
            return as_json(facts)
        if question["ask"] == "report":
            return deliver(
                place, question["reports"], tries=question["tries"], files=question["files"]
            )
        target = Path(question["target"])
        fetch(place, question["artifacts"], target, question["most_bytes"], say)
    except SourceInvalid:
        raise
    except ModuleNotFoundError as error:
        if error.name == "mlflow":
            raise SourceInvalid(
                f"MLflow is not installed, which a source needs: {INSTALL}"
            ) from error
        raise SourceInvalid(
            f"{error}, which the registry {place.registry} needs: {INSTALL}"
        ) from error
    except OSError as error:
        # Of MLflow's requests, too, whose text names the host.
        raise SourceAway(f"{place.registry} and its files: {error}: {advice}") from error
    except Exception as error:
        # Whatever a store's library raises: there is one for each kind of store.
        refused = getattr(error, "error_code", "") in REFUSALS
        raise (SourceInvalid if refused else SourceAway)(
            f"the registry {place.registry} or its store failed: {error}: "
            f"{LOG_IN if refused else advice}"
        ) from error
    return None
