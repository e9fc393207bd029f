"""Things that are still to be told, in files, one each, of bounded number and size.

FOLDER/000000000012-metrics.json   one of them: its number is its turn
FOLDER/.part                       what is being written; after a kill it is removed
"""

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from headrace.errors import StateInvalid

MOST: Final = 1000
MOST_BYTES: Final = 16 << 20
NAME: Final = re.compile(r"([0-9]{12})-([a-z]+)\.json")
PART: Final = ".part"


class Filed(Protocol):
    """What is known of a file without reading it."""

    @property
    def number(self) -> int:
        """Its turn."""

    @property
    def kind(self) -> StrEnum:
        """What it is about; of all kinds the first is given up first."""

    @property
    def bytes(self) -> int:
        """How large it is."""


Item = TypeVar("Item")
File = TypeVar("File", bound=Filed)


@dataclass(frozen=True)
class Bounds:
    """How much is kept."""

    #: Files.
    count: int = MOST
    bytes: int = MOST_BYTES


BOUNDS: Final = Bounds()


def by_kind(one: Filed) -> tuple[int, int]:
    """Return when one has to go: kinds as they are declared, of each the oldest first."""
    return list(type(one.kind).__members__).index(one.kind.name), one.number


def by_age(one: Filed) -> tuple[int, int]:
    """Return when one has to go: the oldest first, of whatever kind."""
    return 0, one.number


def surplus(
    pending: Sequence[File],
    bounds: Bounds,
    sending: Set[int],
    order: Callable[[Filed], tuple[int, int]] = by_kind,
) -> list[File]:
    """Return what has to go so that the rest keeps to ``bounds``.

    Args:
        pending: all of them, in any order.
        bounds: what may be kept.
        sending: numbers of those that are being delivered, which stay.
        order: which goes first.
    """
    count, size = len(pending), sum(one.bytes for one in pending)
    gone: list[File] = []
    if count <= bounds.count and size <= bounds.bytes:
        return gone
    for one in sorted(pending, key=order):
        if count <= bounds.count and size <= bounds.bytes:
            break
        if one.number not in sending:
            gone.append(one)
            count, size = count - 1, size - one.bytes
    return gone


class Spool(ABC, Generic[Item, File]):
    """The folder; its owner lets only one thread at a time, and has it for itself."""

    #: What is kept, such as ``reports to the registry``; and one of it, such as ``report``.
    what: ClassVar[str]
    one: ClassVar[str]
    #: Of a file.
    most_bytes: ClassVar[int]
    #: Where files are, below the folder.
    pattern: str = "*.json"

    def __init__(
        self,
        folder: Path,
        bounds: Bounds,
        say: Callable[[str], None],
        order: Callable[[Filed], tuple[int, int]] = by_kind,
    ) -> None:
        """Read what is there; what cannot be read is removed, which ``say`` is told.

        Args:
            folder: is made where there is none.
            bounds: how much is kept.
            say: tells people.
            order: what goes first where there is no room.

        Raises:
            StateInvalid: the folder cannot be used.
        """
        self._order = order
        self.folder = folder
        self._bounds = bounds
        self._say = say
        #: In the order of their numbers.
        self._pending: dict[int, File] = {}
        self._next = 1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / PART).unlink(missing_ok=True)
            for path in sorted(folder.glob(self.pattern), key=lambda path: path.name):
                if match := NAME.fullmatch(path.name):
                    self._next = int(match[1]) + 1
                    self._find(path, int(match[1]))
        except OSError as error:
            raise self._unusable(error) from error

    @abstractmethod
    def filed(self, number: int, item: Item, size: int) -> File:
        """Return what is known of a file of so many bytes with this in it."""

    @abstractmethod
    def as_json(self, item: Item) -> Any:
        """Return one as JSON has it."""

    @abstractmethod
    def from_json(self, found: Any) -> Item:
        """Return what `as_json` wrote.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it did not.
        """

    @property
    def pending(self) -> Sequence[File]:
        """All of them, the oldest first."""
        return list(self._pending.values())

    def add(self, item: Item, sending: Set[int] = frozenset()) -> list[File]:
        """Keep one, and return what had to go for it, of which it may be one itself.

        Once this returns it outlives a kill of this process, and of the machine.

        Raises:
            StateInvalid: it cannot be kept.
        """
        text = json.dumps(self.as_json(item)).encode()
        new = self.filed(self._next, item, len(text))
        gone = surplus([*self._pending.values(), new], self._bounds, sending, self._order)
        if new not in gone:
            try:
                self._write(new, text)
            except OSError as error:
                raise self._unusable(error) from error
            self._pending[new.number] = new
            self._next += 1
        for one in gone:
            self.remove(one)
        return gone

    def oldest(
        self, among: Callable[[File], bool], most: int, most_bytes: int
    ) -> list[tuple[File, Item]]:
        """Return the oldest of some: at most so many, or one that is larger.

        One that cannot be read any more is left to the next process, which is said.
        """
        found: list[tuple[File, Item]] = []
        size = 0
        for one in self.pending:
            if not among(one):
                continue
            size += one.bytes
            if found and (len(found) == most or size > most_bytes):
                break
            try:
                found.append((one, self._read(self.path(one))))
            except (OSError, StateInvalid) as error:
                self._pending.pop(one.number)
                self._say(f"{error}: it is looked at again when the next server starts")
        return found

    def remove(self, one: File) -> None:
        """Forget one that was delivered, or for which there is no room.

        Raises:
            StateInvalid: its file cannot be removed.
        """
        try:
            self._unlink(one)
        except OSError as error:
            raise self._unusable(error) from error
        self._pending.pop(one.number, None)

    def path(self, one: File) -> Path:
        """Return where the file of one is."""
        return self.folder / f"{one.number:012d}-{one.kind}.json"

    def cut(self) -> list[File]:
        """Remove what is beyond the bounds, as after a kill, and return it.

        Raises:
            StateInvalid: a file cannot be removed.
        """
        gone = surplus(self.pending, self._bounds, frozenset(), self._order)
        for one in gone:
            self.remove(one)
        return gone

    def _unlink(self, one: File) -> None:
        self.path(one).unlink(missing_ok=True)

    def _write(self, new: File, text: bytes) -> None:
        part = self.folder / PART
        part.unlink(missing_ok=True)
        # An address may have a password in it.
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path = self.path(new)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            part.rename(path)
            _sync(path.parent)
        except OSError:
            # Its number is the next one's.
            path.unlink(missing_ok=True)
            raise

    def _find(self, path: Path, number: int) -> None:
        try:
            item = self._read(path)
        except StateInvalid as error:
            self._say(f"{error}: it is removed")
            path.unlink()
            return
        found = self.filed(number, item, path.stat().st_size)
        if self.path(found) != path:
            self._say(f"{path} is not where it was written, and is removed: who else writes there?")
            path.unlink()
            return
        self._pending[number] = found

    def _read(self, path: Path) -> Item:
        """Return what is in a file.

        Raises:
            StateInvalid: it is not as it was written.
            OSError: it cannot be read.
        """
        try:
            if (size := path.stat().st_size) > self.most_bytes:
                raise ValueError(f"it has {size} bytes")
            return self.from_json(json.loads(path.read_bytes()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateInvalid(
                f"{path} is no {self.one} as it was written ({error}); who else writes there?"
            ) from error

    def _unusable(self, error: OSError) -> StateInvalid:
        return StateInvalid(
            f"{self.folder} cannot keep {self.what} ({error.strerror}): make room, or let this "
            "user write there"
        )


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
