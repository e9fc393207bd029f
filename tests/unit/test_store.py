"""The database of what is wanted: crashes at every write, a second controller, other releases."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, event

from headrace.control.references import Of
from headrace.control.store import FILE, JOURNAL, Change, Note, Store, in_folder
from headrace.control.wanted import Wanted
from headrace.errors import Deposed, StateInvalid, Unwanted
from headrace.execution.policy import WHOLE

ONE = Wanted("/m", {1: 0})
TWO = Wanted("/m", {1: 0, 2: 0}, shares={1: WHOLE})
NOTE = Note("me@here", "load 2", "it is better")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(in_folder(tmp_path), clock=lambda: 12.3456)
    yield store
    store.close()


def test_what_was_wanted_and_how_it_came_to_be_outlives_the_process(
    store: Store, tmp_path: Path
) -> None:
    assert store.put(Change("m", None, ONE, Note("headrace", "start: load 1"))) == [store.entry(1)]
    assert store.put(Change("m", ONE, TWO, NOTE)) == [store.entry(2)]
    store.put(Change("other", None, ONE, Note("headrace", "start: load 1")))
    again = Store(in_folder(tmp_path))
    assert again.models() == {"m": TWO, "other": ONE}
    last = again.journal(10, "m")
    assert [one.number for one in last] == [2, 1]
    entry = last[0]
    assert (entry.who, entry.what, entry.why) == ("me@here", "load 2", "it is better")
    assert (entry.before, entry.after, entry.unix_ms) == (ONE, TWO, 12_346)
    assert last[1].before is None
    assert again.entry(2) == entry
    assert again.entry(9) is None
    assert list(again.since(1, "m")) == [2]
    again.close()


def test_who_was_followed_by_another_decides_nothing_any_more(store: Store, tmp_path: Path) -> None:
    store.put(Change("m", None, ONE, NOTE))
    later = Store(in_folder(tmp_path))
    assert (store.term, later.term) == (1, 2)
    with pytest.raises(Deposed, match="another controller decides now"):
        store.put(Change("m", ONE, TWO, NOTE))
    assert later.models() == {"m": ONE}
    later.put(Change("m", ONE, TWO, NOTE))
    later.close()


def test_two_that_change_the_same_do_not_write_over_each_other(store: Store) -> None:
    store.put(Change("m", None, ONE, NOTE))
    with pytest.raises(Unwanted, match="changed by somebody else in this moment"):
        store.put(Change("m", None, TWO, NOTE))
    assert store.models() == {"m": ONE}
    assert len(store.journal(10)) == 1


def test_long_words_are_cut_and_the_number_of_entries_has_a_bound(store: Store) -> None:
    store.put(Change("m", None, ONE, Note("x" * 10_000, "y" * 10_000, "z" * 10_000)))
    (entry,) = store.journal(10**9)
    assert [len(text) for text in (entry.who, entry.what, entry.why)] == [500, 1000, 500]


STATEMENTS = 5  # the lease, what is held, what is wanted, the journal, and the end


@pytest.mark.parametrize("at", range(STATEMENTS))
def test_who_fails_at_any_write_has_written_nothing(store: Store, at: int) -> None:
    store.put(Change("m", None, ONE, NOTE))
    count = 0

    def fail(*_: object) -> None:
        nonlocal count
        count += 1
        if count == at + 1:
            raise sqlite3.OperationalError("database or disk is full")

    event.listen(store._engine, "before_cursor_execute", fail)
    if at == STATEMENTS - 1:
        event.listen(store._engine, "commit", fail)
    with pytest.raises((StateInvalid, sqlite3.OperationalError)):
        store.put(Change("m", ONE, TWO, NOTE))
    event.remove(store._engine, "before_cursor_execute", fail)
    if at == STATEMENTS - 1:
        event.remove(store._engine, "commit", fail)
    assert store.models() == {"m": ONE}
    assert len(store.journal(10)) == 1
    assert store.put(Change("m", ONE, TWO, NOTE))[0].number > 1


KILLED = """
import os, sys
from sqlalchemy import delete, event
from headrace.control.store import Change, Note, Store
from headrace.control.wanted import Wanted

store = Store(sys.argv[1])
count = 0

def step(*_):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), 9)

event.listen(store._engine, "before_cursor_execute", step)
event.listen(store._engine, "after_cursor_execute", step)
event.listen(store._engine, "commit", step)
before = Wanted("/m", {1: 0})
store.put(Change("m", before, Wanted("/m", {1: 0, 2: 0}), Note("me", "load 2")))
print(count)
"""


def test_who_is_killed_at_any_write_has_written_all_or_nothing(tmp_path: Path) -> None:
    url = in_folder(tmp_path)
    first = Store(url)
    first.put(Change("m", None, ONE, NOTE))
    first.close()
    whole = (tmp_path / FILE).read_bytes()
    at = 0
    while True:
        at += 1
        for file in tmp_path.glob(f"{FILE}*"):
            file.unlink()
        (tmp_path / FILE).write_bytes(whole)
        command = [sys.executable, "-c", KILLED, url, str(at)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = Store(url)
        found = after.models()["m"].versions, len(after.journal(10))
        assert found in [({1: 0}, 1), ({1: 0, 2: 0}, 2)], at
        after.close()
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        assert found == ({1: 0}, 1), "the commit is the last of all"
    assert at == int(done.stdout) + 1 >= 8


def test_a_database_of_another_release_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    Store(in_folder(tmp_path)).close()
    connection = sqlite3.connect(tmp_path / FILE)
    # That one has no journal, or calls it otherwise.
    connection.executescript("UPDATE lease SET schema = 99; DROP TABLE journal")
    told = rf"{FILE} is another release's \(layout 99, not 1\), and was left as it is: start that"
    with pytest.raises(StateInvalid, match=told):
        Store(in_folder(tmp_path))
    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'journal'")
    assert tables.fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("broken", ["no folder", "no database"])
def test_a_database_that_cannot_be_used_is_an_error_with_its_name(
    tmp_path: Path, broken: str
) -> None:
    folder = tmp_path / "nowhere" if broken == "no folder" else tmp_path
    if broken == "no database":
        (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(StateInvalid, match=r"control\.sqlite cannot be used: "):
        Store(in_folder(folder))


def test_only_its_owner_may_read_it(store: Store, tmp_path: Path) -> None:
    store.put(Change("m", None, ONE, NOTE))
    for file in tmp_path.glob(f"{FILE}*"):
        assert file.stat().st_mode & 0o077 == 0, file
    assert JOURNAL.name == "journal"
    assert os.getuid() == (tmp_path / FILE).stat().st_uid


def test_many_changes_are_one_all_of_which_are_written_or_none(store: Store) -> None:
    store.put(Change("m", None, ONE, NOTE))
    with pytest.raises(Unwanted):
        store.put(Change("other", None, ONE, NOTE), Change("m", TWO, ONE, NOTE))
    assert store.models() == {"m": ONE}
    written = store.put(Change("other", None, ONE, NOTE), Change("m", ONE, TWO, NOTE))
    assert written == [store.entry(2), store.entry(3)]
    assert store.models() == {"m": TWO, "other": ONE}
    assert store.put() == []


def test_a_key_of_predictions_is_made_anew_where_there_is_none_and_refused_where_it_is_none(
    tmp_path: Path,
) -> None:
    def begin() -> bytes:
        store = Store(in_folder(tmp_path))
        store.close()
        return store.labels.key

    def have(statement: str) -> None:
        with closing(sqlite3.connect(tmp_path / FILE)) as line, line:
            line.execute(statement)

    first = begin()
    have("UPDATE prediction_key SET key = x'0102'")
    with pytest.raises(StateInvalid, match="has 2 bytes, and 32 are expected"):
        begin()
    have("DELETE FROM prediction_key")
    assert begin() != first
    assert begin() == begin()


OF = Of("m", 1, "digest", {})
READS: dict[str, Callable[[Store], object]] = {
    "models": lambda store: store.models(),
    "journal": lambda store: store.journal(10),
    "entry": lambda store: store.entry(1),
    "since": lambda store: store.since(0, "m"),
    "labels": lambda store: store.labels.said(1),
    "counts": lambda store: store.labels.counted("m", 24),
    "units": lambda store: store.labels.units("m", 1),
    "references": lambda store: store.references.read(OF),
}


@pytest.mark.parametrize("what", READS)
def test_who_reads_waits_for_nobody_who_decides(store: Store, what: str) -> None:
    store.put(Change("m", None, ONE, NOTE))
    before = READS[what](store)
    with store._deciding() as connection:
        connection.execute(delete(JOURNAL))
        began = time.monotonic()
        assert READS[what](store) == before
        assert time.monotonic() - began < 5, "SQLite waits for ten seconds"
