"""What addresses meant when they were last looked up, for when nobody answers.

MODELS/.seen/DIGEST.json, one for each address and where it was asked, with the name of the folder.
"""

import fcntl
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, NoReturn

from headrace.errors import SourceAway, SourceInvalid
from headrace.registry.cache import Cache
from headrace.registry.tagged import Tagged

FOLDER: Final = ".seen"
#: Addresses that are remembered; of more the oldest are forgotten.
MOST: Final = 1000


@dataclass(frozen=True)
class Seen:
    """A version whose files were fetched."""

    number: int
    #: Of its folder: the model's name, and the version's number and digest.
    model: str
    key: str
    #: What runs it; None is for its files to say.
    backend: str | None
    #: What its registry said of it; None where that is an object store, or another release's.
    tagged: Tagged | None = None


def remember(models: Path, where: str, seen: Seen) -> None:
    """Keep what ``where`` meant, until it means something else.

    Raises:
        SourceInvalid: it cannot be written.
    """
    folder = models / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = _path(models, where)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(asdict(seen)))
            part.rename(path)
            for old in sorted(folder.glob("*.json"), key=lambda one: one.stat().st_mtime)[:-MOST]:
                old.unlink()
    except OSError as error:
        raise SourceInvalid(
            f"{folder} cannot be written ({error.strerror}): make room, or let this user write "
            "there"
        ) from error


def recall(models: Path, where: str) -> Seen | None:
    """Return what ``where`` meant last, if that is known."""
    with suppress(OSError, ValueError, TypeError):
        told = {**json.loads(_path(models, where).read_text())}
        tags = told.pop("tagged", None)
        return Seen(**told, tagged=tags and Tagged(**tags))
    return None


def take(
    cache: Cache, seen: Seen, away: SourceAway, say: Callable[[str], None], sha256: str | None
) -> Path:
    """Return the folder of what was seen last, which is held as if it had been fetched.

    Raises:
        SourceAway: its files are not here, or not as they were.
        SourceInvalid: they are not what ``sha256`` pins.
    """

    def refuse(target: Path) -> NoReturn:
        raise SourceAway(
            f"{away}; {seen.model}/{seen.number}, which it meant last, is not whole here"
        ) from away

    return cache.take(seen.model, seen.key, refuse, say, sha256)


def _path(models: Path, where: str) -> Path:
    # An address of a registry may have a password in it.
    return models / FOLDER / f"{sha256(where.encode()).hexdigest()}.json"
