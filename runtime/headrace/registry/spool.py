"""Reports in files, one each, of bounded number and size.

FOLDER/000000000012-metrics.json   one that is to be delivered: its number is its turn
FOLDER/MODEL/VERSION/00…           one that is kept for people, on its version's shelf
FOLDER/.part                       what is being written; after a kill it is removed
"""

import json
import os
import re
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import StateInvalid
from headrace.registry.facts import Place
from headrace.registry.report import Kind, Report, as_json, from_json

MOST: Final = 1000
MOST_BYTES: Final = 16 << 20
#: A report with everything that `headrace.registry.report` allows has less.
MOST_REPORT_BYTES: Final = 5 << 20
NAME: Final = re.compile(r"([0-9]{12})-([a-z]+)\.json")
PART: Final = ".part"


@dataclass(frozen=True)
class Model:
    """Whose reports are delivered in their order: an alias is one model's, and not a version's."""

    place: Place
    name: str


@dataclass(frozen=True)
class Pending:
    """A report in a file."""

    number: int
    kind: Kind
    model: Model
    version: int
    bytes: int

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.number:012d}-{self.kind}.json"

    @property
    def shelf(self) -> Path:
        """The folders of its version, where each has its own."""
        return Path(self.model.name, str(self.version))


@dataclass(frozen=True)
class Bounds:
    """How much is kept."""

    reports: int = MOST
    bytes: int = MOST_BYTES


BOUNDS: Final = Bounds()


def surplus(pending: Sequence[Pending], bounds: Bounds, sending: Set[int]) -> list[Pending]:
    """Return what has to go so that the rest keeps to ``bounds``.

    Metrics go before states, and verdicts last; of each the oldest first.

    Args:
        pending: all of them, in any order.
        bounds: what may be kept.
        sending: numbers of those that are being delivered, which stay.
    """
    count, size = len(pending), sum(one.bytes for one in pending)
    kinds = list(Kind)
    gone: list[Pending] = []
    for one in sorted(pending, key=lambda one: (kinds.index(one.kind), one.number)):
        if count <= bounds.reports and size <= bounds.bytes:
            break
        if one.number not in sending:
            gone.append(one)
            count, size = count - 1, size - one.bytes
    return gone


class Spool:
    """The folder; its owner lets only one thread at a time, and has it for itself."""

    def __init__(
        self, folder: Path, bounds: Bounds, say: Callable[[str], None], *, has_shelves: bool = False
    ) -> None:
        """Read what is there; what cannot be read is removed, which ``say`` is told.

        Args:
            folder: is made where there is none.
            bounds: how much is kept.
            say: tells people.
            has_shelves: each version has folders of its own in ``folder``.

        Raises:
            StateInvalid: the folder cannot be used.
        """
        self.folder = folder
        self._bounds = bounds
        self._say = say
        self._has_shelves = has_shelves
        #: In the order of their numbers.
        self._pending: dict[int, Pending] = {}
        self._next = 1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / PART).unlink(missing_ok=True)
            found = folder.glob("*/*/*.json" if has_shelves else "*.json")
            for path in sorted(found, key=lambda path: path.name):
                if match := NAME.fullmatch(path.name):
                    self._next = int(match[1]) + 1
                    self._find(path, int(match[1]))
        except OSError as error:
            raise _unusable(folder, error) from error

    @property
    def pending(self) -> Sequence[Pending]:
        """All of them, the oldest first."""
        return list(self._pending.values())

    def add(self, report: Report, sending: Set[int] = frozenset()) -> list[Pending]:
        """Keep a report, and return what had to go for it, of which it may be one itself.

        Once this returns it outlives a kill of this process, and of the machine.

        Raises:
            StateInvalid: it cannot be kept.
        """
        text = json.dumps(as_json(report)).encode()
        new = _pending(self._next, report, len(text))
        gone = surplus([*self._pending.values(), new], self._bounds, sending)
        if new not in gone:
            try:
                self._write(new, text)
            except OSError as error:
                raise _unusable(self.folder, error) from error
            self._pending[new.number] = new
            self._next += 1
        for one in gone:
            self.remove(one)
        return gone

    def first(self, models: Set[Model], most: int, most_bytes: int) -> list[tuple[Pending, Report]]:
        """Return the oldest reports of some models: at most so many, or one that is larger.

        One that cannot be read any more is left to the next process, which is said.
        """
        found: list[tuple[Pending, Report]] = []
        size = 0
        for one in self.pending:
            if one.model not in models:
                continue
            size += one.bytes
            if found and (len(found) == most or size > most_bytes):
                break
            try:
                found.append((one, _read(self.path(one))))
            except (OSError, StateInvalid) as error:
                self._pending.pop(one.number)
                self._say(f"{error}: it is looked at again when the next server starts")
        return found

    def remove(self, one: Pending) -> None:
        """Forget one that was delivered, or for which there is no room.

        Raises:
            StateInvalid: its file cannot be removed.
        """
        try:
            self.path(one).unlink(missing_ok=True)
            if self._has_shelves:
                _remove_empty(self.folder / one.shelf)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        self._pending.pop(one.number, None)

    def path(self, one: Pending) -> Path:
        """Return where the file of one is."""
        return (self.folder / one.shelf if self._has_shelves else self.folder) / one.file

    def cut(self) -> list[Pending]:
        """Remove what is beyond the bounds, as after a kill, and return it.

        Raises:
            StateInvalid: a file cannot be removed.
        """
        gone = surplus(self.pending, self._bounds, frozenset())
        for one in gone:
            self.remove(one)
        return gone

    def _write(self, new: Pending, text: bytes) -> None:
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
            report = _read(path)
        except StateInvalid as error:
            self._say(f"{error}: it is removed")
            path.unlink()
            return
        found = _pending(number, report, path.stat().st_size)
        if self.path(found) != path:
            self._say(f"{path} is not where it was written, and is removed: who else writes there?")
            path.unlink()
            return
        self._pending[number] = found


def _pending(number: int, report: Report, size: int) -> Pending:
    model = Model(report.place, report.model)
    return Pending(number, report.kind, model, report.version, size)


def _read(path: Path) -> Report:
    """Return the report in a file.

    Raises:
        StateInvalid: there is none as it was written.
        OSError: it cannot be read.
    """
    try:
        if (size := path.stat().st_size) > MOST_REPORT_BYTES:
            raise ValueError(f"it has {size} bytes")
        return from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StateInvalid(
            f"{path} is no report to a registry as it was written ({error}); who else writes there?"
        ) from error


def _remove_empty(shelf: Path) -> None:
    for folder in (shelf, shelf.parent):
        with suppress(OSError):
            folder.rmdir()


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unusable(folder: Path, error: OSError) -> StateInvalid:
    return StateInvalid(
        f"{folder} cannot keep reports to the registry ({error.strerror}): make room, or let this "
        "user write there"
    )
