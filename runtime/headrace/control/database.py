"""Connections to the database of what is wanted, and what may be said of it."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from headrace.errors import StateInvalid

#: Of an error; some bring a page.
MOST_CHARACTERS: Final = 500
#: Option of a transaction that writes nothing: it waits for nobody, and nobody for it.
READS: Final = "headrace_reads"
#: Driver → what it is to wait for at most: whoever decides holds up everybody else meanwhile.
PATIENCE: Final[dict[str, dict[str, Any]]] = {
    "pg8000": {"timeout": 10},
    "psycopg": {"connect_timeout": 10, "options": "-c statement_timeout=10000"},
    "psycopg2": {"connect_timeout": 10, "options": "-c statement_timeout=10000"},
}


def shown(url: str) -> str:
    """Return where a database is, without what is secret.

    Raises:
        StateInvalid: it is no such URL, or names no place. The text does not have it.
    """
    try:
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite" and parts.database in (None, "", ":memory:"):
            raise StateInvalid(
                "the database's URL names no file, and what is wanted would end with the server: "
                "write sqlite:////PATH, or leave it out for the state folder's"
            )
        # What follows the question mark may be a password, too.
        where = URL.create(
            parts.drivername, host=parts.host, port=parts.port, database=parts.database
        )
        return str(where)
    except (SQLAlchemyError, ValueError):
        raise StateInvalid(
            "the database's URL cannot be read: expected postgresql+pg8000://USER:PASSWORD@HOST/"
            "NAME, with what is special in a password as %XX"
        ) from None


def opened(url: str) -> Engine:
    """Return what connects to a database; nothing is asked of it yet.

    Raises:
        SQLAlchemyError, ImportError: nobody here speaks with such a database.
    """
    driver = make_url(url).get_driver_name()
    engine = create_engine(url, pool_pre_ping=True, connect_args=PATIENCE.get(driver, {}))
    if engine.dialect.name == "sqlite":
        file = _File()
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "connect", file.hold)
        event.listen(engine, "begin", file.check)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def check_layout(engine: Engine, lease: Table, layout: int, place: str) -> None:
    """Check that a database is this release's, or a new one, before anything is written to it.

    Args:
        engine: connects to it.
        lease: the table that says which layout the others have.
        layout: this release's.
        place: where the database is, as people may be shown it.

    Raises:
        StateInvalid: it is not.
    """
    with engine.connect() as connection:
        if not inspect(connection).has_table(lease.name):
            return
        found = connection.execute(select(lease.c.schema)).scalar()
    if found not in (None, layout):
        raise StateInvalid(
            f"the database {place} is another release's (layout {found}, not {layout}), and was "
            "left as it is: start that release, or begin anew with another --state or --database"
        )


class _File:
    """The one that SQLite has open: of one taken away the next start would know nothing."""

    def __init__(self) -> None:
        self._path = Path()
        self._held: os.stat_result | None = None

    def hold(self, connection: Any, _: Any) -> None:
        """Note the first that is opened; a later connection may have made another one."""
        if self._held is None:
            self._path = Path(connection.execute("PRAGMA database_list").fetchone()[2])
            self._held = self._path.stat()

    def check(self, _: Connection) -> None:
        """Check that it is where it was.

        Raises:
            StateInvalid: it is not.
        """
        with suppress(OSError):
            if self._held is not None and os.path.samestat(self._path.stat(), self._held):
                return
        raise StateInvalid(
            f"the database {self._path} was taken away from the server that has it: what is "
            "decided would be lost, and nothing was changed; put it back, or start the server "
            "again, with a new one"
        )


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions begin where we say; Python's module would begin them later.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer from its first word on: two that read and then write would both think that they may.
    reads = connection.get_execution_options().get(READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def words(error: SQLAlchemyError, url: str = "") -> str:
    """Return what went wrong, in words, and without what is secret of the database's URL."""
    told = " ".join(str(getattr(error, "orig", None) or error).split())
    secrets = [url, make_url(url).password, *map(str, make_url(url).query.values())] if url else []
    for one in filter(None, secrets):
        told = told.replace(one, "***")
    return told[:MOST_CHARACTERS]
