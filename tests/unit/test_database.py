"""The database of what is wanted where it is another one than SQLite in the state folder."""

from pathlib import Path

import pytest

from headrace.config.options import ServeOptions
from headrace.control.opening import controlling
from headrace.control.store import Store
from headrace.errors import StateInvalid

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
    with controlling(options):
        pass
    assert (tmp_path / "other").is_file()
    assert not (tmp_path / "control.sqlite").exists()
