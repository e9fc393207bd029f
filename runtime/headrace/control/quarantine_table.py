"""Quarantined versions in the database: a row for each rollout that rolled one back."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from headrace.control.quarantine import Quarantine

#: Of why it was rolled back.
MOST_CHARACTERS: Final = 1000


def table(metadata: MetaData) -> Table:
    """Return the table of quarantined versions."""
    return Table(
        "quarantine",
        metadata,
        Column("model", String(200), primary_key=True),
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("rollout", String(100), primary_key=True),
        Column("digest", String(200), nullable=False),
        Column("why", String(MOST_CHARACTERS), nullable=False),
        Column("unix_ms", BigInteger, nullable=False),
        Column("is_released", Boolean, nullable=False),
    )


def read(connection: Connection, rows: Table) -> tuple[Quarantine, ...]:
    """Return all that are kept, those that were released among them."""
    return tuple(Quarantine(**row) for row in connection.execute(select(rows)).mappings())


def write(connection: Connection, rows: Table, one: Quarantine) -> None:
    """Keep one, in the place of what was kept of the same version and rollout."""
    forget(connection, rows, [one])
    facts: dict[str, Any] = {
        "model": one.model,
        "version": one.version,
        "rollout": one.rollout,
        "digest": one.digest,
        "why": one.why[:MOST_CHARACTERS],
        "unix_ms": one.unix_ms,
        "is_released": one.is_released,
    }
    connection.execute(insert(rows).values(**facts))


def complete(connection: Connection, rows: Table, one: Quarantine) -> None:
    """Keep the digest of one that is kept without."""
    empty = _mine(rows, one) & (rows.c.digest == "")
    connection.execute(update(rows).where(empty).values(digest=one.digest))


def forget(connection: Connection, rows: Table, some: Iterable[Quarantine]) -> None:
    """Keep these no more."""
    for one in some:
        connection.execute(delete(rows).where(_mine(rows, one)))


def _mine(rows: Table, one: Quarantine) -> ColumnElement[bool]:
    of_version = (rows.c.model == one.model) & (rows.c.version == one.version)
    return of_version & (rows.c.rollout == one.rollout)
