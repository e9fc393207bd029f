"""Who decides: one row of the database, which a later term takes over."""

import os
import socket

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from headrace.errors import Deposed


def table(metadata: MetaData) -> Table:
    """Return the table of who decides. A later term's tables win over earlier ones everywhere."""
    return Table(
        "lease",
        metadata,
        Column("schema", Integer, nullable=False),
        Column("term", BigInteger, nullable=False),
        Column("holder", String(200), nullable=False),
    )


def take_over(connection: Connection, lease: Table, layout: int) -> int:
    """Be the one who decides from now on, with tables of this layout; return the term."""
    holder = f"{socket.gethostname()} {os.getpid()}"
    row = connection.execute(select(lease)).mappings().first()
    if row is None:
        connection.execute(insert(lease).values(schema=layout, term=1, holder=holder))
        return 1
    connection.execute(update(lease).values(term=lease.c.term + 1, holder=holder))
    return int(row["term"]) + 1


def require(connection: Connection, lease: Table, term: int) -> None:
    """Check that a term is the last one; nobody takes over before the transaction ends.

    Raises:
        Deposed: it is not.
    """
    # Written to, so that who takes over in this moment waits for this, or this for him.
    if not connection.execute(update(lease).where(lease.c.term == term).values(term=term)).rowcount:
        holder = connection.execute(select(lease.c.holder)).scalar()
        raise Deposed(f"nothing was changed: another controller decides now ({holder})")
