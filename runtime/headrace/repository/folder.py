"""A folder of models as a list of versions to serve.

MODEL/model.yaml        operations; may be absent
MODEL/VERSION/model.py    a Python class, or
MODEL/VERSION/model.onnx  an ONNX graph, or
MODEL/VERSION/net.pt2     an exported PyTorch program, or
MODEL/VERSION/upstream.yaml  where another server has it, or
MODEL/VERSION/ensemble.yaml  the models that answer it together

With `source` in MODEL/model.yaml its one version is elsewhere (`sourced.py`).
With MODEL/config.pbtxt and no model.yaml it is Triton's, and served as it is (`tritons.py`).
"""

import re
import sys
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from headrace.config.allowed import ANY, Allowed
from headrace.config.load import load
from headrace.config.options import STATE
from headrace.config.schema import ModelConfig
from headrace.errors import ConfigInvalid, RepositoryInvalid, SourceInvalid
from headrace.registry.tagged import Tagged
from headrace.repository import sourced, tritons
from headrace.repository.kinds import BACKENDS, FILES, UNHOSTED, file_of, misplaced
from headrace.repository.sourced import Reach

#: Versions travel as 64-bit numbers and are written in URLs.
VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
CONFIG: Final = "model.yaml"
#: What Triton calls its own.
TRITONS: Final = "config.pbtxt"
#: Hears, a line at a time, what takes its time.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Version:
    """One version of a model, found but not loaded."""

    model: str
    number: int
    folder: Path
    #: ``python``, ``onnx``, ``torch``, ``upstream`` or ``ensemble``; of Triton's,
    #: ``triton_python``, ``torchscript`` or ``triton_ensemble``; of a registry's, ``mlflow`` or
    #: ``onnx``.
    backend: str
    config: ModelConfig
    #: Where its model.yaml is, if that is not the folder around its own.
    beside: Path | None = None
    #: The interpreter of its own environment, once that is there; None runs in Headrace's.
    python: Path | None = None
    #: What its registry said of it when it was found; None of one that no registry has. It is the
    #: same version, whatever that is.
    tagged: Tagged | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The version's name in logs and messages, such as ``photos/1``."""
        return f"{self.model}/{self.number}"

    @property
    def is_hosted(self) -> bool:
        """Whether hosts carry it, and not the gateways themselves."""
        return self.backend not in UNHOSTED

    @property
    def home(self) -> Path:
        """The model's folder, with its model.yaml."""
        return self.beside or self.folder.parent


def tell(text: str) -> None:
    """Say on standard error what a version's files are waited for."""
    print(f"headrace: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Found:
    """What is below a folder of models."""

    versions: list[Version]
    #: Model → why nothing of it is here: its source cannot be had.
    away: dict[str, str]


def find(
    path: Path, state: Path = STATE, say: Say | None = tell, allowed: Allowed = ANY
) -> list[Version]:
    """Return every version below ``path``: a folder of models, or one model's folder.

    What a model.yaml names as its source is looked up now, if that is ``allowed``, and fetched into
    ``state`` where it is not there yet; ``say`` hears of that. Without it no source is asked, and
    such models are left out.

    Models are in the order of their names, versions in that of their numbers. Folders that hold
    neither a model.yaml nor a numbered folder are passed over.

    Raises:
        RepositoryInvalid: there is no model, or a folder is not laid out as one.
        ConfigInvalid: a model.yaml is wrong, or its source cannot be had. Errors of all models are
            in one text.
    """
    found = look(path, None if say is None else Reach(state, say, allowed))
    if found.away:
        raise ConfigInvalid("\n".join(found.away.values()))
    return found.versions


def look(path: Path, reach: Reach | None) -> Found:
    """Return what `find` does, and beside that the models whose source cannot be had.

    Raises:
        RepositoryInvalid, ConfigInvalid: as `find`, but for sources.
    """
    path = path.absolute()
    if not path.is_dir():
        raise RepositoryInvalid(f"{path} is no folder; expected a folder of models")
    try:
        folders = [path] if _is_model(path) else [one for one in _folders(path) if _is_model(one)]
    except OSError as error:
        raise RepositoryInvalid(_unreadable(error)) from error
    if not folders:
        raise RepositoryInvalid(
            f"{path} holds no model: expected {' or '.join(f'MODEL/1/{one}' for one in BACKENDS)} "
            "in it; "
            f"`headrace new {path / 'hello'}` writes one that works"
        )
    found = Found([], {})
    wrong: list[str] = []
    for folder in folders:
        try:
            found.versions.extend(_versions(folder, reach))
        except SourceInvalid as error:
            found.away[folder.name] = str(error)
        except (ConfigInvalid, RepositoryInvalid) as error:
            wrong.append(str(error))
        except OSError as error:
            wrong.append(_unreadable(error))
    if wrong:
        raise ConfigInvalid("\n".join(wrong))
    return found


def find_model(path: Path, model: str, numbers: Set[int], reach: Reach) -> list[Version]:
    """Return the versions of one model as they are by now below ``path``.

    Of one with a source those with ``numbers``, or the one that it means now if there are none. If
    ``model`` is empty, of all models, but for those with sources: each costs a question.

    Raises:
        SourceInvalid: what its model.yaml names as its source cannot be had.
        RepositoryInvalid: there is no such model, or its folder is not laid out as one.
        ConfigInvalid: its model.yaml is wrong.
    """
    if not model:
        return find(path, reach.state, None)
    path = path.absolute()
    folder = home(path, model)
    if not NAME.fullmatch(model) or not folder.is_dir() or not _is_model(folder):
        raise RepositoryInvalid(f"no model {model!r} in {path}: expected a folder {model}/1 in it")
    try:
        # What is asked for anew is not to be answered with what was meant before.
        return _versions(folder, replace(reach, may_recall=bool(numbers)), numbers)
    except OSError as error:
        raise RepositoryInvalid(_unreadable(error)) from error


def find_older(found: Version, numbers: Set[int], reach: Reach) -> list[Version]:
    """Return other versions of a model with a source, by its numbers; none of a folder's.

    Raises:
        SourceInvalid: one of them cannot be had.
    """
    config, home = found.config, found.home
    if config.source is None:
        return []
    older = [sourced.read(home, config, number, reach) for number in sorted(numbers)]
    return [_of_source(home, one, config) for one in older]


def _of_source(home: Path, one: sourced.Sourced, config: ModelConfig) -> Version:
    if one.backend is None:
        backend = _backend(home, one.place, config)
    else:
        backend = one.backend
        _check_place(one.place / FILES[backend], home, backend, config)
    return Version(
        home.name, one.number, one.place, backend, config, beside=home, tagged=one.tagged
    )


def backends(folder: Path) -> set[str]:
    """Return what runs the versions of one model's folder, as far as they are there."""
    if not folder.is_dir():
        return set()
    numbered = [one for one in _folders(folder) if VERSION.fullmatch(one.name)]
    return {BACKENDS[file] for one in numbered if (file := file_of(one))}


def _unreadable(error: OSError) -> str:
    return f"{error.filename} cannot be read ({error.strerror}): let this user read it"


def home(path: Path, model: str) -> Path:
    """Return where a model's folder is, if it is there."""
    return path if path.name == model and _is_model(path) else path / model


def _folders(path: Path) -> Iterator[Path]:
    yield from sorted(one for one in path.iterdir() if one.is_dir() and one.name[0] not in "._")


def _is_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or any(
        VERSION.fullmatch(one.name) for one in _folders(folder)
    )


def _versions(folder: Path, reach: Reach | None, numbers: Set[int] = frozenset()) -> list[Version]:
    """Return the versions of one model's folder, lowest first."""
    if not NAME.fullmatch(folder.name):
        raise RepositoryInvalid(
            f"{folder}: a model's name is its folder's, and {folder.name!r} cannot be written in "
            "URLs: use letters, digits, '.', '_' and '-', a letter or digit first"
        )
    numbered = _numbered(folder)
    if _is_tritons(folder) and numbered:
        places = dict(numbered)
        backend, config, chosen = tritons.read(folder, places)
        return [Version(folder.name, one, places[one], backend, config) for one in chosen]
    config = load(folder / CONFIG)
    if config.source is not None:
        if reach is None:
            return []
        if numbered:
            raise RepositoryInvalid(
                f"{folder / CONFIG}: source names the version that is served, and there is "
                f"{numbered[0][1]}: take one of them out"
            )
        wanted: list[int | None] = [*sorted(numbers)] or [None]
        found = [sourced.read(folder, config, number, reach) for number in wanted]
        return [_of_source(folder, one, config) for one in found]
    if not numbered:
        raise RepositoryInvalid(
            f"{folder} has no version: expected a folder {folder / '1'}, or a source in {CONFIG}"
        )
    return [
        Version(folder.name, number, place, _backend(folder, place, config), config)
        for number, place in numbered
    ]


def configuration(folder: Path) -> ModelConfig:
    """Return what a model's folder says by now: its model.yaml, or its config.pbtxt alone.

    Raises:
        ConfigInvalid: it is wrong.
        RepositoryInvalid: what config.pbtxt asks for is not there.
    """
    if _is_tritons(folder):
        return tritons.read(folder, dict(_numbered(folder)))[1]
    return load(folder / CONFIG)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(one.name), one) for one in _folders(folder) if VERSION.fullmatch(one.name))


def _is_tritons(folder: Path) -> bool:
    return (folder / TRITONS).is_file() and not (folder / CONFIG).is_file()


def _backend(folder: Path, place: Path, config: ModelConfig) -> str:
    file = file_of(place)
    if file is None:
        raise RepositoryInvalid(f"{place} holds none of {', '.join(BACKENDS)}")
    backend = BACKENDS[file]
    _check_place(place / file, folder, backend, config)
    return backend


def _check_place(file: Path, folder: Path, backend: str, config: ModelConfig) -> None:
    if wrong := misplaced(file, backend, config):
        raise ConfigInvalid(f"{folder / CONFIG}: {wrong}")
