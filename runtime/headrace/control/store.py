"""What is wanted, and the journal of how it came to be so: one database, one writer."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from headrace.control import courses, journal, lease, quarantine_table, references
from headrace.control.database import READS, check_layout, opened, shown, words
from headrace.control.journal import MOST_CHARACTERS
from headrace.control.label_tables import TABLES as FEEDBACK
from headrace.control.labels import Labels, prediction_key
from headrace.control.quarantine import Quarantine
from headrace.control.wanted import Wanted, from_json
from headrace.errors import StateInvalid, Unwanted
from headrace.rollout.course import Course

#: In the state folder.
FILE: Final = "control.sqlite"
#: Of the tables below. Another one's are not read.
SCHEMA: Final = 1
#: Entries of the journal that one answer may hold.
MOST_ENTRIES: Final = 1000
#: Attempts to be the one who decides, where others begin in the same moment.
TAKE_OVERS: Final = 5

TABLES: Final = MetaData()
MODEL: Final = Table(
    "model",
    TABLES,
    Column("name", String(200), primary_key=True),
    Column("wanted", JSON, nullable=False),
)
JOURNAL: Final = journal.table(TABLES)
ROLLOUT: Final = courses.table(TABLES)
LEASE: Final = lease.table(TABLES)
QUARANTINE: Final = quarantine_table.table(TABLES)


@dataclass(frozen=True)
class Entry:
    """One change: who made which, when and why."""

    number: int
    unix_ms: int
    who: str
    model: str
    what: str
    why: str
    before: Wanted | None
    after: Wanted


@dataclass(frozen=True)
class Note:
    """What the journal is to say of a change."""

    who: str
    what: str
    why: str = ""


@dataclass(frozen=True)
class Change:
    """What is wanted of a model, and what was before; None of a model that nobody had seen."""

    model: str
    before: Wanted | None
    after: Wanted
    note: Note

    @property
    def gone(self) -> list[str]:
        """The versions that are wanted no more, by label."""
        before = set() if self.before is None else set(self.before.versions)
        return [f"{self.model}/{one}" for one in sorted(before - set(self.after.versions))]


class Store:
    """Each method is one transaction: who is killed in it has not begun it."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Take over as the one who decides.

        Args:
            url: of a database, as SQLAlchemy writes it.
            clock: seconds since 1970.

        Raises:
            StateInvalid: there is no such database, or it is another release's.
        """
        self._clock = clock
        place = shown(url)
        try:
            self._engine = opened(url)
        except (SQLAlchemyError, ImportError) as error:
            raise StateInvalid(
                f"the database {place} cannot be used: its driver is not here ({error}); for "
                "PostgreSQL `pip install 'headrace[postgres]'` and write postgresql+pg8000://"
            ) from None
        for tries in reversed(range(TAKE_OVERS)):
            try:
                self.term, key = self._begin(place)
                self.labels = Labels(self._reading, self._deciding, clock, key)
                self.references = references.References(self._reading, self._deciding)
                #: Replaced with every change; nobody else writes.
                with self._reading() as connection:
                    self.quarantined = quarantine_table.read(connection, QUARANTINE)
                return
            except SQLAlchemyError as error:
                # Two that begin in one moment: the database lets one of them through.
                if not tries or self._engine.dialect.name == "sqlite":
                    # The driver's own error may hold what is not to be shown.
                    told = words(error, url)
                    raise StateInvalid(f"the database {place} cannot be used: {told}") from None

    def _begin(self, place: str) -> tuple[int, bytes]:
        check_layout(self._engine, LEASE, SCHEMA, place)
        for tables in (TABLES, FEEDBACK, references.TABLES):
            tables.create_all(self._engine)
        is_sqlite = self._engine.dialect.name == "sqlite"
        # SQLite's transactions are alone as it is.
        alone = {} if is_sqlite else {"isolation_level": "SERIALIZABLE"}
        with self._engine.connect().execution_options(**alone) as connection, connection.begin():
            return lease.take_over(connection, LEASE, SCHEMA), prediction_key(connection)

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def models(self) -> dict[str, Wanted]:
        """Return what is wanted of every model."""
        with self._reading() as connection:
            rows = connection.execute(select(MODEL.c.name, MODEL.c.wanted)).all()
        return {name: from_json(kept) for name, kept in rows}

    def put(
        self,
        *changes: Change,
        course: Course | None = None,
        quarantine: Quarantine | None = None,
    ) -> list[Entry]:
        """Write down what is wanted where something else was, all or none; return the entries.

        With the rollout whose step it is, or which has come on without any change, and with what
        it has quarantined by its end.

        Raises:
            Deposed: another one decides by now; nothing was written.
            Unwanted: something else is wanted by now; nothing was written.
            StateInvalid: the database cannot be written to.
        """
        if not changes and course is None:
            return []
        with self._deciding() as connection:
            if course is not None:
                courses.write(connection, ROLLOUT, course)
            if quarantine is not None:
                quarantine_table.write(connection, QUARANTINE, quarantine)
            entries = [self._put(connection, one) for one in changes]
            # Within the transaction: what was written must not fail by what is read after it.
            quarantined = quarantine_table.read(connection, QUARANTINE) if quarantine else None
        self.quarantined = self.quarantined if quarantined is None else quarantined
        return entries

    def release(self, some: Sequence[Quarantine], note: Note, *, remember: bool) -> Entry | None:
        """Have versions of one model quarantined no more, and journal it, if it has a journal.

        ``remember``: that they are, for whoever says later that they are not. Raises as `put`.
        """
        model = some[0].model
        with self._deciding() as connection:
            quarantine_table.forget(connection, QUARANTINE, some)
            for one in some if remember else ():
                quarantine_table.write(connection, QUARANTINE, replace(one, is_released=True))
            kept = connection.execute(select(MODEL.c.wanted).where(MODEL.c.name == model)).scalar()
            now = from_json(kept) if kept is not None else None
            entry = None if now is None else self._put(connection, Change(model, now, now, note))
            quarantined = quarantine_table.read(connection, QUARANTINE)
        self.quarantined = quarantined
        return entry

    def complete(self, one: Quarantine) -> None:
        """Keep the files of one that is quarantined, and was without; raises as `put`."""
        with self._deciding() as connection:
            quarantine_table.complete(connection, QUARANTINE, one)
            # Within it, so that nobody's release is forgotten by that.
            self.quarantined = quarantine_table.read(connection, QUARANTINE)

    def _put(self, connection: Connection, change: Change) -> Entry:
        model, note = change.model, change.note
        old, new = change.before and change.before.as_json(), change.after.as_json()
        held = connection.execute(select(MODEL.c.wanted).where(MODEL.c.name == model)).scalar()
        if held != old:
            raise Unwanted("it was changed by somebody else in this moment: look, and try again")
        if held is None:
            connection.execute(insert(MODEL).values(name=model, wanted=new))
        else:
            connection.execute(update(MODEL).where(MODEL.c.name == model).values(wanted=new))
        facts: dict[str, Any] = {
            "unix_ms": round(self._clock() * 1000),
            "who": note.who[:MOST_CHARACTERS],
            "model": model,
            "what": note.what[: 2 * MOST_CHARACTERS],
            "why": note.why[:MOST_CHARACTERS],
        }
        written = connection.execute(insert(JOURNAL).values(before=old, after=new, **facts))
        (number,) = written.inserted_primary_key or (0,)
        return Entry(number=int(number), before=change.before, after=change.after, **facts)

    def journal(self, limit: int, model: str = "") -> list[Entry]:
        """Return the last ``limit`` entries, of one model or of all, the newest first."""
        query = select(JOURNAL).order_by(JOURNAL.c.number.desc()).limit(min(limit, MOST_ENTRIES))
        with self._reading() as connection:
            rows = connection.execute(query.where(JOURNAL.c.model == model) if model else query)
            return [_entry(dict(row)) for row in rows.mappings()]

    def rollouts(self, say: Callable[[str], None]) -> tuple[list[Course], int]:
        """Return the rollouts that go on and the last that have ended, and the last number of one.

        ``say`` hears of those that cannot be read.
        """
        with self._connected() as connection:
            return courses.read(connection, ROLLOUT, say)

    def had_traffic(self, model: str, version: int) -> bool:
        """Return whether a version ever had a share, as far as one answer of the journal goes."""
        entries = self.journal(MOST_ENTRIES, model)
        return any((one.after.shares or {}).get(version) for one in entries)

    def entry(self, number: int) -> Entry | None:
        """Return one entry, if there is such a one."""
        with self._reading() as connection:
            found = connection.execute(select(JOURNAL).where(JOURNAL.c.number == number))
            row = found.mappings().first()
        return None if row is None else _entry(dict(row))

    def since(self, number: int, model: str) -> Sequence[int]:
        """Return the entries of a model that came after one, oldest first."""
        query = select(JOURNAL.c.number).where(JOURNAL.c.number > number, JOURNAL.c.model == model)
        with self._reading() as connection:
            return [
                int(one) for one in connection.execute(query.order_by(JOURNAL.c.number)).scalars()
            ]

    @contextmanager
    def _deciding(self) -> Iterator[Connection]:
        with self._connected() as connection:
            lease.require(connection, LEASE, self.term)
            yield connection

    @contextmanager
    def _connected(self, *, reads: bool = False) -> Iterator[Connection]:
        engine = self._engine.execution_options(**{READS: reads})
        try:
            with engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StateInvalid(f"the database of what is wanted: {words(error)}") from error

    def _reading(self) -> AbstractContextManager[Connection]:
        """Return a transaction that writes nothing."""
        return self._connected(reads=True)


def in_folder(state: Path) -> str:
    """Return the URL of a state folder's own database, which only this user may read.

    Raises:
        StateInvalid: it cannot be made.
    """
    file = state.absolute() / FILE
    try:
        # SQLite gives the files beside it the same mode.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StateInvalid(f"the database {file} cannot be used: {error.strerror}") from error
    return f"sqlite:///{file}"


def _entry(facts: dict[str, Any]) -> Entry:
    before = facts.pop("before")
    after = from_json(facts.pop("after"))
    return Entry(before=before and from_json(before), after=after, **facts)
