"""The database of what is wanted where it is another one than SQLite in the state folder."""

from pathlib import Path

import pytest

from headrace.config.options import ServeOptions
from headrace.control.opening import controlling
from headrace.control.store import FILE, Change, Note, Store, in_folder
from headrace.control.wanted import Wanted
from headrace.errors import StateInvalid
from headrace.repository.sourced import Reach

SECRET = "s3cret-of-nobody"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"nonsense {SECRET}", "the database's URL cannot be read: expected postgresql"),
        (f"nobody://me:{SECRET}@here/x", "the database nobody://here/x cannot be used: its driver"),
        ("sqlite://", "the database's URL names no file"),
        ("sqlite:///:memory:", "the database's URL names no file"),
        ("sqlite:////no/such/folder/x", "the database sqlite:////no/such/folder/x cannot be used"),
    ],
)
def test_what_cannot_be_used_is_told_without_what_is_secret(url: str, told: str) -> None:
    with pytest.raises(StateInvalid) as error:
        Store(url)
    assert told in str(error.value)
    assert SECRET not in str(error.value)
    assert SECRET not in repr(ServeOptions(Path(), database=url))


def test_a_run_keeps_what_is_wanted_where_it_is_told_to(tmp_path: Path) -> None:
    options = ServeOptions(tmp_path, state=tmp_path, database=f"sqlite:///{tmp_path}/other")
    with controlling(options, Reach(tmp_path, print)):
        pass
    assert (tmp_path / "other").is_file()
    assert not (tmp_path / "control.sqlite").exists()


@pytest.mark.parametrize("another", [False, True])
def test_a_file_that_was_taken_away_takes_no_decision_until_it_is_back(
    tmp_path: Path, another: bool
) -> None:
    store = Store(in_folder(tmp_path))
    file, away = tmp_path / FILE, tmp_path / "away"
    file.rename(away)
    if another:
        file.touch()
    for _ in range(3):
        with pytest.raises(StateInvalid, match=r"control\.sqlite was taken away from the server"):
            store.put(Change("m", None, Wanted("/m", {1: 0}), Note("me", "load 1")))
    away.rename(file)
    assert store.models() == {}
    store.put(Change("m", None, Wanted("/m", {1: 0}), Note("me", "load 1")))
    store.close()
