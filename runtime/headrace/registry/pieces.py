"""Objects fetched in pieces, several at a time; of a killed fetch whole pieces are not lost."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from headrace.errors import SourceInvalid
from headrace.registry.listing import JOURNAL, Object, Piece, pieces

#: Requests under way.
AT_ONCE: Final = 8
#: Of a body, written as it comes: with `AT_ONCE` what this takes of memory.
BUFFER_BYTES: Final = 1 << 20
#: Between two words of how far it is.
STEP_BYTES: Final = 64 << 20


def fetch(
    store: Any, number: int, objects: Sequence[Object], target: Path, say: Callable[[str], None]
) -> None:
    """Bring a version's objects into the folder ``target``, which may have some of them.

    Args:
        store: obstore's, of the model's folder.
        number: the version's.
        objects: as they were listed; what is another by now is refused.
        target: has a journal of the pieces that are whole, until all are.
        say: hears how far it is.

    Raises:
        SourceInvalid: an object is not what was listed, or its bytes end too soon.
        OSError: the disk is full, or does not take a name.
        Exception: what obstore raises.
    """
    whole = _whole(target, objects)
    _lay_out(target, objects)
    left = [one for one in pieces(objects) if one not in whole]
    progress = _Progress(sum(one.bytes for one in objects), left, say)
    journal = os.open(target / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def take(piece: Piece) -> None:
        digest = _take(store, number, piece, target)
        line = {"path": piece.of.path, "start": piece.start, "end": piece.end, "sha256": digest}
        # One write: what threads append stays in lines, and what was written outlives a kill.
        os.write(journal, f"{json.dumps(line)}\n".encode())
        progress.step(piece)

    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                for _ in pool.map(take, left):
                    pass
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        os.close(journal)
    (target / JOURNAL).unlink()


class _Progress:
    """Counts pieces of several threads."""

    def __init__(self, total: int, left: Sequence[Piece], say: Callable[[str], None]) -> None:
        self._lock = threading.Lock()
        self._total, self._say = total, say
        self._here = self._told = total - sum(one.end - one.start for one in left)
        if self._here and left:
            say(f"goes on: {self._here >> 20} of {total >> 20} MiB are here")

    def step(self, piece: Piece) -> None:
        with self._lock:
            self._here += piece.end - piece.start
            if self._here - self._told >= STEP_BYTES:
                self._told = self._here
                self._say(f"{self._here >> 20} of {self._total >> 20} MiB")


def _take(store: Any, number: int, piece: Piece, target: Path) -> str:
    """Write one piece to its place; return its SHA-256."""
    import obstore

    one = piece.of
    options: dict[str, Any] = {"range": (piece.start, piece.end)}
    if one.etag is not None:
        options["if_match"] = one.etag
    result = obstore.get(store, f"{number}/{one.path}", options=options)
    if (result.meta["size"], result.meta["e_tag"]) != (one.bytes, one.etag):
        raise SourceInvalid(
            f"{number}/{one.path} was changed after it was listed: start again once nobody writes "
            "there"
        )
    digest, at = hashlib.sha256(), piece.start
    with (target / one.path).open("r+b") as file:
        file.seek(at)
        for some in result.stream(min_chunk_size=BUFFER_BYTES):
            at += len(some)
            if at > piece.end:
                break
            digest.update(some)
            file.write(some)
    if at != piece.end:
        raise SourceInvalid(
            f"{number}/{one.path}: the store sent {at - piece.start} bytes or more of "
            f"{piece.end - piece.start} from {piece.start} on: expected these; is the object whole?"
        )
    return digest.hexdigest()


def _lay_out(target: Path, objects: Sequence[Object]) -> None:
    for one in objects:
        path = target / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(one.bytes)


def _whole(target: Path, objects: Sequence[Object]) -> set[Piece]:
    """Return the pieces that the journal has, and whose bytes are as it says."""
    by_place = {(one.of.path, one.start, one.end): one for one in pieces(objects)}
    found = set[Piece]()
    with suppress(FileNotFoundError), (target / JOURNAL).open("rb") as journal:
        for line in journal:
            # The last line of what was killed may end early.
            with suppress(ValueError, KeyError, FileNotFoundError):
                told = json.loads(line)
                piece = by_place[told["path"], told["start"], told["end"]]
                if _digest(target / piece.of.path, piece) == told["sha256"]:
                    found.add(piece)
    return found


def _digest(path: Path, piece: Piece) -> str:
    with path.open("rb") as file:
        file.seek(piece.start)
        return hashlib.sha256(file.read(piece.end - piece.start)).hexdigest()
