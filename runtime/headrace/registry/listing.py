"""What an object store lists, as versions and as pieces to fetch. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from headrace.config.source import VERSION
from headrace.errors import SourceInvalid

#: Of one model's folder: more are a data set.
MOST_FILES: Final = 100_000
#: What is asked for at once, and kept in memory; what a killed fetch loses is less than one a way.
PIECE_BYTES: Final = 8 << 20
#: Ours in a folder that is being fetched.
JOURNAL: Final = ".fetched"


@dataclass(frozen=True)
class Object:
    """One object below a version's folder."""

    path: str
    bytes: int
    #: Changes with the content; None where a store has none.
    etag: str | None


@dataclass(frozen=True)
class Piece:
    """Some bytes of an object: from ``start`` to before ``end``."""

    of: Object
    start: int
    end: int


def versions(objects: Iterable[Object], address: str) -> dict[int, list[Object]]:
    """Return the objects of each numbered folder, with paths below it, in their order.

    What lies beside those folders is passed over, as are marks of empty folders and what Python
    has compiled.

    Raises:
        SourceInvalid: there are too many, or a name cannot be a file's below its folder.
    """
    found: dict[int, list[Object]] = {}
    for count, one in enumerate(objects):
        if count >= MOST_FILES:
            raise SourceInvalid(
                f"{address} has more than {MOST_FILES} objects: expected those of one model; name "
                "the version, or keep its data elsewhere"
            )
        number, below, path = one.path.partition("/")
        if VERSION.fullmatch(number) and below:
            _check_path(path, address)
            if "__pycache__" not in path.split("/"):
                found.setdefault(int(number), []).append(Object(path, one.bytes, one.etag))
    return {
        number: of
        for number, all_of in found.items()
        if (of := sorted(_files(all_of, f"{address}/{number}"), key=lambda one: one.path))
    }


def chosen(found: dict[int, list[Object]], version: int | None, address: str) -> int:
    """Return ``version``, or the highest one that is there.

    Raises:
        SourceInvalid: it is not there.
    """
    if version is None and found:
        return max(found)
    if version is not None and version in found:
        return version
    there = ", ".join(str(one) for one in sorted(found)[-10:]) or "none"
    raise SourceInvalid(
        f"there is no version {'' if version is None else f'{version} '}at {address}; numbered "
        f"folders with files in them are {there}: expected such as {address}/1/model.onnx"
    )


def digest(address: str, objects: Sequence[Object]) -> str:
    """Return a SHA-256 that is another one if any object is."""
    whole = hashlib.sha256(f"{address}\n".encode())
    for one in objects:
        whole.update(f"{one.path}\n{one.bytes} {one.etag}\n".encode())
    return whole.hexdigest()


def pieces(objects: Iterable[Object]) -> Iterator[Piece]:
    """Yield what to fetch of objects, none of it larger than `PIECE_BYTES`."""
    for one in objects:
        for start in range(0, one.bytes, PIECE_BYTES):
            yield Piece(one, start, min(one.bytes, start + PIECE_BYTES))


def _files(objects: Sequence[Object], address: str) -> Iterator[Object]:
    """Yield those that are files: a store has objects whose name is a folder of others, too."""
    folders = {str(above) for one in objects for above in PurePosixPath(one.path).parents}
    for one in objects:
        if one.path not in folders:
            yield one
        elif one.bytes:
            raise SourceInvalid(
                f"{address}/{one.path} is an object with {one.bytes} bytes and a folder of others: "
                "a disk cannot have both; rename one of them"
            )


def _check_path(path: str, address: str) -> None:
    parts = path.split("/")
    wrong = any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts)
    if wrong or not path.isprintable() or "\\" in path or parts[0] == JOURNAL:
        raise SourceInvalid(
            f"{address} has an object {path!r:.300}: expected a file's name below its folder; "
            "rename it, or take it out"
        )
