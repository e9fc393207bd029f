"""Fetched versions in a bounded folder: whole or not at all, and never taken from a user.

MODELS/NAME/VERSION-DIGEST/   a version's files, and `.manifest.json` with the SHA-256 of each
MODELS/NAME/.part-…/          what is being fetched; after a kill it is what a next try finds
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import SourceAway, SourceInvalid

MANIFEST: Final = ".manifest.json"
PART: Final = ".part-"

#: Folders that this process uses → their locks, open until it lets go or ends.
_HELD: dict[Path, int] = {}


@dataclass(frozen=True)
class Kept:
    """A version's folder."""

    folder: Path
    bytes: int
    used_at: float
    in_use: bool


def surplus(kept: Sequence[Kept], room_bytes: int) -> list[Kept]:
    """Return what has to go so that the rest fits ``room_bytes``, the longest unused first.

    What is in use stays, even where that is too much.
    """
    excess = sum(one.bytes for one in kept) - room_bytes
    gone: list[Kept] = []
    for one in sorted(kept, key=lambda one: one.used_at):
        if excess > 0 and not one.in_use:
            gone.append(one)
            excess -= one.bytes
    return gone


class Cache:
    """The folder that fetched versions are kept in, shared by processes."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder.absolute()
        self.most_bytes = most_bytes

    def take(
        self,
        model: str,
        key: str,
        fill: Callable[[Path], None],
        say: Callable[[str], None],
        sha256: str | None = None,
    ) -> Path:
        """Return the folder of a version, and keep it until `let_go` or this process's end.

        Args:
            model: its name.
            key: its number and digest.
            fill: writes the files into the folder it is given, if they are not here. There may be
                some in it, of a try before that was killed or raised `SourceAway`.
            say: tells people.
            sha256: `checksum` of the files; None takes any.

        Raises:
            SourceInvalid: it cannot be kept, or is not what ``sha256`` pins; what ``fill`` raises
                comes through.
        """
        place = self.folder / model / key
        try:
            with self._alone(place, say):
                if why := damage(place):
                    if place.exists():
                        say(f"{place} is not as it was fetched ({why}), and fetched anew")
                    self._fill(place, fill, sha256)
                else:
                    _check(checksum(_told(place)), sha256)
                os.utime(place / MANIFEST)
                _hold(place)
        except OSError as error:
            raise SourceInvalid(
                f"{error.filename or self.folder} cannot be kept ({error.strerror}): make room, or "
                "let this user write there"
            ) from error
        return place

    def _fill(self, place: Path, fill: Callable[[Path], None], sha256: str | None) -> None:
        part = _part_of(place)
        part.mkdir(parents=True, exist_ok=True)
        try:
            fill(part)
            if (part / MANIFEST).exists():
                raise SourceInvalid(
                    f"the model has a file {MANIFEST}, which is ours here: log it without that"
                )
            # Of Python's, which runs it instead of the source beside it; no manifest has it.
            for compiled in list(part.rglob("__pycache__")):
                shutil.rmtree(compiled)
            files = {name: _digest(part / name) for name in _files(part)}
            _check(checksum(files), sha256)
            count = sum((part / name).stat().st_size for name in files)
            (part / MANIFEST).write_text(json.dumps({"files": files, "bytes": count}))
            self._make_room(count, place)
            if place.exists():
                # Renamed first: what is half removed must not have its name.
                place.rename(part.with_name(f"{part.name}-before"))
            part.rename(place)
        except SourceAway:
            # What is here already need not be fetched again.
            raise
        except BaseException:
            _remove_parts(place.parent)
            raise
        _remove_parts(place.parent)

    def _make_room(self, coming: int, place: Path) -> None:
        kept = [one for one in self._kept() if one.folder != place]
        gone = surplus(kept, self.most_bytes - coming)
        left = sum(one.bytes for one in kept) - sum(one.bytes for one in gone)
        if left + coming > self.most_bytes:
            raise SourceInvalid(
                f"{place} has {coming} bytes and versions that are in use have {left}, but "
                f"{self.most_bytes} may be kept: raise HEADRACE_MODEL_CACHE_GIB"
            )
        for one in gone:
            part = _part_of(one.folder)
            one.folder.rename(part)
            shutil.rmtree(part)
            _lock_of(one.folder).unlink(missing_ok=True)

    def _kept(self) -> Iterator[Kept]:
        for manifest in self.folder.glob(f"*/*/{MANIFEST}"):
            if not manifest.parent.name.startswith("."):
                with suppress(ValueError, KeyError, TypeError):
                    count = int(json.loads(manifest.read_text())["bytes"])
                    used_at, folder = manifest.stat().st_mtime, manifest.parent
                    yield Kept(folder, count, used_at, _is_in_use(folder))

    @contextmanager
    def _alone(self, place: Path, say: Callable[[str], None]) -> Iterator[None]:
        """Keep other processes out; what killed ones left is removed, but for that of ``place``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waits: something else is being fetched into {self.folder}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for folder in self.folder.iterdir():
                if folder.is_dir():
                    _remove_parts(folder, but=_part_of(place))
            yield


def let_go(place: Path) -> None:
    """Say that this process uses a folder no more: it may be removed where room is needed."""
    if (lock := _HELD.pop(place, None)) is not None:
        os.close(lock)


def let_go_of_others(used: Set[Path]) -> None:
    """Let go of every folder that this process holds, but for these."""
    for place in set(_HELD) - used:
        let_go(place)


def checksum(files: Mapping[str, str]) -> str:
    """Return the SHA-256 of what `sha256sum` prints of files by name, from their own."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def damage(place: Path) -> str:
    """Return what is wrong with a version's folder; empty if each file is as it was fetched."""
    try:
        expected = _told(place)
    except FileNotFoundError:
        return "there is no manifest"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read: {error}"
    found = {name for name in _files(place) if name != MANIFEST}
    if differing := sorted(found ^ set(expected)):
        return f"{differing[0]} was {'added' if differing[0] in found else 'removed'}"
    changed = [name for name, was in sorted(expected.items()) if _digest(place / name) != was]
    return f"{changed[0]} was changed" if changed else ""


def _told(place: Path) -> dict[str, str]:
    return dict(json.loads((place / MANIFEST).read_text())["files"])


def _check(found: str, sha256: str | None) -> None:
    if sha256 not in (None, found):
        raise SourceInvalid(
            f"the files have the SHA-256 {found}, and model.yaml pins {sha256}: find out who "
            "changed them, or pin the other"
        )


def _hold(place: Path) -> None:
    if place not in _HELD:
        lock = os.open(_lock_of(place), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        _HELD[place] = lock


def _is_in_use(place: Path) -> bool:
    try:
        with _lock_of(place).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


def _part_of(place: Path) -> Path:
    return place.with_name(f"{PART}{place.name}")


def _remove_parts(folder: Path, but: Path | None = None) -> None:
    for part in folder.glob(f"{PART}*"):
        if part != but:
            shutil.rmtree(part)


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise SourceInvalid(f"{path} is a link: expected files; log the model without links")
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(folder))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
