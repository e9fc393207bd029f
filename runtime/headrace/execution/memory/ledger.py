"""Who has how much of which device, in one database for all processes of a user."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headrace.errors import EnvironmentInvalid
from headrace.execution.memory.process import Process, current, process
from headrace.models.shortage import Claim

#: Of the tables below; another one's are not read.
SCHEMA: Final = 1
TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS claim (
    device TEXT, label TEXT, bytes INTEGER, boot TEXT, pid INTEGER, began INTEGER,
    PRIMARY KEY (device, label, pid)
) STRICT;
CREATE TABLE IF NOT EXISTS footprint (
    version TEXT, rows INTEGER, bytes INTEGER, at INTEGER,
    PRIMARY KEY (version, rows)
) STRICT;
PRAGMA user_version = {SCHEMA};
"""
#: How long one process waits for another's few lines.
PATIENCE_S: Final = 30.0
#: Versions whose footprints are kept, those that were measured last.
MOST_FOOTPRINTS: Final = 1000


def place() -> Path:
    """Return where the database is: beside the kernels that were compiled."""
    # Of versions with a GPU alone.
    from headrace_kernels.store import cache

    return cache() / "devices.sqlite"


class Ledger:
    """Claims on devices, and what versions took when they were measured.

    Each method is one transaction: a process that is killed in it has not begun it. Claims of
    processes that are gone are dropped by whoever looks next.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def beside(self, name: str) -> Path:
        """Return a file in the database's folder, which is there.

        Raises:
            EnvironmentInvalid: it cannot be made.
        """
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        return self._file.parent / name

    def claims(self, device: str) -> list[Claim]:
        """Return what living processes have of a device."""
        with self._open() as database:
            return _claims(database, device)

    @contextmanager
    def deciding(self, device: str, label: str) -> Iterator[tuple[list[Claim], "Decision"]]:
        """Let nobody else claim meanwhile; yields what others have, and what may be said of it."""
        with self._open() as database:
            mine = os.getpid()
            others = [
                one for one in _claims(database, device) if (one.label, one.pid) != (label, mine)
            ]
            decision = Decision()
            yield others, decision
            if decision.bytes is not None:
                _claim(database, device, label, decision.bytes)

    def release(self, device: str, label: str) -> None:
        """Say that this process has nothing for a version any more."""
        with self._open() as database:
            told = (device, label, os.getpid())
            database.execute("DELETE FROM claim WHERE (device, label, pid) = (?, ?, ?)", told)

    def footprint(self, version: str) -> dict[int, int]:
        """Return what was measured of a version: largest batch → bytes; nothing if it was not."""
        with self._open() as database:
            found = database.execute(
                "SELECT rows, bytes FROM footprint WHERE version = ?", (version,)
            )
            return dict(found.fetchall())

    def keep(self, version: str, measured: Mapping[int, int], at: int) -> None:
        """Keep what was measured at ``at``, in seconds since 1970, in the place of what was."""
        with self._open() as database:
            database.execute("DELETE FROM footprint WHERE version = ?", (version,))
            database.executemany(
                "INSERT INTO footprint VALUES (?, ?, ?, ?)",
                [(version, rows, count, at) for rows, count in measured.items()],
            )
            database.execute(
                "DELETE FROM footprint WHERE version NOT IN "
                "(SELECT version FROM footprint GROUP BY version ORDER BY max(at) DESC LIMIT ?)",
                (MOST_FOOTPRINTS,),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction; it ends with the block, or is undone.

        Raises:
            EnvironmentInvalid: the database cannot be used.
        """
        try:
            file = self.beside(self._file.name)
            database = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            database.execute("BEGIN IMMEDIATE")
            _prepare(database)
            yield database
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        finally:
            # What was not committed is undone.
            database.close()

    def _unusable(self, error: Exception) -> EnvironmentInvalid:
        return EnvironmentInvalid(
            f"{self._file}, which says who has how much of each GPU, cannot be used: {error}. Set "
            "XDG_CACHE_HOME to a folder that can be written, or delete the file if it is damaged"
        )


class Decision:
    """What is claimed as the transaction ends; None: nothing."""

    bytes: int | None = None


def _prepare(database: sqlite3.Connection) -> None:
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found not in (0, SCHEMA):
        raise sqlite3.DatabaseError(f"its tables are of schema {found}, expected {SCHEMA}")
    if not found:
        for statement in TABLES.split(";"):
            database.execute(statement)


def _claims(database: sqlite3.Connection, device: str) -> list[Claim]:
    found = database.execute(
        "SELECT label, bytes, boot, pid, began FROM claim WHERE device = ? ORDER BY label, pid",
        (device,),
    ).fetchall()
    alive = []
    for label, count, boot, pid, began in found:
        if process(pid) == Process(boot, pid, began):
            alive.append(Claim(label, pid, count))
        else:
            database.execute("DELETE FROM claim WHERE (device, pid) = (?, ?)", (device, pid))
    return alive


def _claim(database: sqlite3.Connection, device: str, label: str, count: int) -> None:
    mine = current()
    row = (device, label, count, mine.boot, mine.pid, mine.began)
    database.execute("INSERT OR REPLACE INTO claim VALUES (?, ?, ?, ?, ?, ?)", row)
