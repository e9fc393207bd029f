"""References of versions that are watched, in the database: one row each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
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

from headrace.monitoring.drift import Watched
from headrace.monitoring.keeping import from_json, to_json

#: Versions of a model whose references are kept, the highest and the one that is written: with all
#: that is watched one has about a megabyte.
MOST_KEPT: Final = 20

TABLES: Final = MetaData()
REFERENCE: Final = Table(
    "drift_reference",
    TABLES,
    Column("model", String(200), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    #: Of the files that the version was loaded from, and what was asked of its tensors.
    Column("digest", String(200), nullable=False),
    Column("config", JSON, nullable=False),
    Column("kept", JSON, nullable=False),
)

Connected = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Of:
    """Whose reference: a version's, of its files, and of what of its config it depends on."""

    model: str
    version: int
    digest: str
    #: As JSON.
    config: dict[str, Any]

    @property
    def label(self) -> str:
        """The version, such as ``photos/3``."""
        return f"{self.model}/{self.version}"


class References:
    """Each method is one transaction. Any thread may call any of this."""

    def __init__(self, connected: Connected, deciding: Connected) -> None:
        """Read with one kind of connection, and write with that of who decides."""
        self._connected, self._deciding = connected, deciding

    def read(self, of: Of) -> Watched | None:
        """Return what is kept; None where there is nothing, or of other files or another config.

        Raises:
            StateInvalid: the database cannot be read.
            KeyError, TypeError, ValueError: another release has written it.
        """
        mine = _mine(of.model, of.version)
        with self._connected() as connection:
            row = connection.execute(select(REFERENCE).where(mine)).mappings().first()
        if row is None or (row["digest"], row["config"]) != (of.digest, of.config):
            return None
        return from_json(row["kept"])

    def write(self, of: Of, watched: Watched) -> None:
        """Keep a version's reference, in the place of what was kept.

        Raises:
            Deposed: another one decides by now; nothing was written.
            StateInvalid: the database cannot be written to.
        """
        mine = _mine(of.model, of.version)
        facts = {"digest": of.digest, "config": of.config, "kept": to_json(watched)}
        with self._deciding() as connection:
            if connection.execute(update(REFERENCE).where(mine).values(**facts)).rowcount:
                return
            connection.execute(
                insert(REFERENCE).values(model=of.model, version=of.version, **facts)
            )
            others = (REFERENCE.c.model == of.model) & (REFERENCE.c.version != of.version)
            lowest = select(REFERENCE.c.version).where(others).order_by(REFERENCE.c.version.desc())
            if (last := connection.execute(lowest.offset(MOST_KEPT - 1)).scalar()) is not None:
                connection.execute(delete(REFERENCE).where(others, REFERENCE.c.version <= last))

    def forget(self, model: str, version: int) -> None:
        """Keep nothing of a version.

        Raises:
            Deposed: another one decides by now; nothing was changed.
            StateInvalid: the database cannot be written to.
        """
        with self._deciding() as connection:
            connection.execute(delete(REFERENCE).where(_mine(model, version)))


def _mine(model: str, version: int) -> ColumnElement[bool]:
    return (REFERENCE.c.model == model) & (REFERENCE.c.version == version)
