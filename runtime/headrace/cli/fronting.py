"""`headrace front`: what another server has, written down as versions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config.upstream import Upstream, load, written
from headrace.errors import ConfigInvalid, RepositoryInvalid, Unreachable
from headrace.repository.folder import NAME, VERSION, backends
from headrace.repository.kinds import FILES

FILE: Final = FILES["upstream"]
#: For the server to say what it has.
PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Found:
    """A version that the server has."""

    model: str
    #: Here; there it may be a word, or none.
    number: int
    upstream: Upstream


def models_at(server: Upstream) -> list[dict[str, Any]]:
    """Return what the server lists: model, version (may be empty), ready, reason.

    Raises:
        Unreachable: the server cannot be reached, or has no list.
    """
    import headrace_core

    asked = json.dumps({"url": server.url, "access": server.access(Path.cwd())})
    try:
        found: list[dict[str, Any]] = json.loads(headrace_core.upstream_models(asked, PATIENCE_S))
    except (RuntimeError, ValueError, TimeoutError, LookupError) as error:
        raise Unreachable(
            f"{server.url} does not say what models it has: {error}. Is it there, and is this its "
            "port of what the address begins with? Of a server without an index name them: "
            "--model NAME"
        ) from error
    return found


def listed(server: Upstream, rows: Sequence[Mapping[str, Any]]) -> tuple[list[Found], list[str]]:
    """Return the versions of a server's list that can be served here; of the others why not."""
    found: list[Found] = []
    passed_over: list[str] = []
    for row in rows:
        model, version = row["model"], row["version"]
        what = f"{model}/{version}" if version else model
        if not row["ready"]:
            reason = next(iter(row["reason"].splitlines()), "no reason is told")
            passed_over.append(f"{what} is not ready there: {reason}")
        elif not NAME.fullmatch(model):
            passed_over.append(f"{what}: its name cannot be written in URLs")
        elif version and not VERSION.fullmatch(version):
            passed_over.append(
                f"{what}: its version is no number; write MODEL/1/{FILE} with url: "
                f"{server.url} and version: {version!r}"
            )
        else:
            found.append(Found(model, int(version or 1), _of(server, version)))
    return found, passed_over


def named(server: Upstream, models: Sequence[str]) -> list[Found]:
    """Return a version for each of these models, as the server chooses it.

    Raises:
        ConfigInvalid: a name is none that could be served.
    """
    for model in models:
        if not NAME.fullmatch(model):
            raise ConfigInvalid(f"--model {model!r} cannot be written in URLs")
    return [Found(model, 1, server) for model in models]


def write(repository: Path, found: Sequence[Found]) -> Iterator[Path]:
    """Write MODEL/NUMBER/upstream.yaml for each, where it is not there; yield what was written.

    Raises:
        RepositoryInvalid: a number is taken by a version that is not the server's.
    """
    for one in found:
        place = repository / one.model / str(one.number)
        file = place / FILE
        if _is_there(file, one.upstream.url):
            continue
        if place.exists() and any(place.iterdir()):
            raise RepositoryInvalid(
                f"{place} is there, and {one.upstream.url} has {one.model}/{one.number} too: give "
                "yours another number"
            )
        try:
            place.mkdir(parents=True, exist_ok=True)
            file.write_text(written(one.upstream))
        except OSError as error:
            raise RepositoryInvalid(f"{file} cannot be written ({error.strerror})") from error
        yield file


def is_known(repository: Path, url: str) -> bool:
    """Return whether the repository has versions of this server already."""
    models = repository.iterdir() if repository.is_dir() else ()
    return any(
        _is_there(file, url)
        for model in models
        if model.is_dir() and "upstream" in backends(model)
        for file in model.glob(f"*/{FILE}")
    )


def _is_there(file: Path, url: str) -> bool:
    try:
        return load(file).url == url
    except FileNotFoundError:
        return False


def _of(server: Upstream, version: str) -> Upstream:
    return server.model_copy(update={"version": version})
