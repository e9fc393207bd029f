"""The journal in the database: a row for each change of what is wanted."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, String, Table

#: Of what somebody says that he is, and why he does what he does.
MOST_CHARACTERS: Final = 500


def table(metadata: MetaData) -> Table:
    """Return the table of the journal."""
    return Table(
        "journal",
        metadata,
        Column("number", Integer, primary_key=True, autoincrement=True),
        Column("unix_ms", BigInteger, nullable=False),
        Column("who", String(MOST_CHARACTERS), nullable=False),
        Column("model", String(200), nullable=False),
        Column("what", String(2 * MOST_CHARACTERS), nullable=False),
        Column("why", String(MOST_CHARACTERS), nullable=False),
        #: What was wanted before; none of a model that nobody had seen.
        Column("before", JSON(none_as_null=True)),
        Column("after", JSON, nullable=False),
        sqlite_autoincrement=True,
    )
