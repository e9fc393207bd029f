"""Versions listed and fetched, from a real server of S3 and from a folder of this machine."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.conftest import Bucket, folder_of

from headrace.config.allowed import read as allowed
from headrace.config.source import StoreAddress
from headrace.errors import ConfigInvalid, SourceAway, SourceInvalid
from headrace.registry.cache import damage, let_go_of_others
from headrace.registry.stored import fetch, resolve
from headrace.repository.folder import find

PHOTOS = StoreAddress("s3://models/photos")


@pytest.fixture(autouse=True)
def nothing_is_held_afterwards() -> Iterator[None]:
    yield
    let_go_of_others(set())


def nobody(text: str) -> None: ...


def test_the_highest_version_is_fetched_whole_and_once(bucket: Bucket, tmp_path: Path) -> None:
    for number in (2, 10):
        bucket.model(number)
    bucket.put("photos/11/")
    bucket.put("photos/model.yaml", b"of others")
    bucket.put("photos/10/sub folder/w#1 100%é.bin", bytes(range(256)))
    bucket.put("photos/10/__pycache__/model.cpython-311.pyc", b"would be run")
    bucket.put("photos/10/empty")
    found, said = resolve(PHOTOS), list[str]()
    assert found.number == 10
    place = fetch(found, state=tmp_path, say=said.append)
    assert place == tmp_path / "models" / "photos" / f"10-{found.digest[:12]}"
    files = sorted(str(one.relative_to(place)) for one in place.rglob("*") if one.is_file())
    assert files == [".manifest.json", "empty", "model.py", "sub folder/w#1 100%é.bin"]
    assert (place / "sub folder" / "w#1 100%é.bin").read_bytes() == bytes(range(256))
    assert damage(place) == ""
    assert said == ["fetches photos/10 from s3://models/photos/10"]
    requests = len(bucket.read)
    assert fetch(found, state=tmp_path, say=said.append) == place
    assert (len(said), len(bucket.read)) == (1, requests)
    assert resolve(StoreAddress("s3://models/photos", 2)).number == 2


def test_what_ends_too_soon_is_told_and_nothing_is_kept(bucket: Bucket, tmp_path: Path) -> None:
    bucket.model(1, extra=1000)
    bucket.spoil = lambda path, body: body[:500] if "weights" in path else body
    with pytest.raises(SourceInvalid, match=r"weights.bin: the store sent 500 bytes .* of 1000"):
        fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    assert list((tmp_path / "models" / "photos").iterdir()) == []


def test_an_object_that_changes_after_it_was_listed_is_refused(
    bucket: Bucket, tmp_path: Path, small_pieces: None
) -> None:
    bucket.model(1)
    found = resolve(PHOTOS)
    bucket.model(1, extra=5)
    with pytest.raises(SourceInvalid, match="photos/1 was changed after it was listed"):
        fetch(found, state=tmp_path, say=nobody)
    # And while it is fetched: of the same length.
    bucket.model(1, extra=40 << 16)

    def change(path: str, body: bytes) -> bytes:
        if len(bucket.read) == 5:
            bucket.put("photos/1/weights.bin", b"2" * (40 << 16))
        return body

    bucket.read.clear()
    bucket.spoil = change
    with pytest.raises(SourceInvalid, match="was changed while it was fetched"):
        fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    assert list((tmp_path / "models" / "photos").iterdir()) == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("photos/1/../../x", "an object that cannot be a file"),
        ("photos/1//etc/x", "an object that cannot be a file"),
        ("photos/1/a\\b", "expected a file's name below its folder"),
        ("photos/1/" + "x" * 300, "expected a file's name below its folder"),
        ("photos/1/.fetched", "expected a file's name below its folder"),
        ("photos/1/.manifest.json", "which is ours here"),
        ("photos/1/model.py/more", "an object with .* bytes and a folder of others"),
    ],
)
def test_a_key_that_cannot_be_a_file_is_refused(
    bucket: Bucket, tmp_path: Path, key: str, why: str
) -> None:
    bucket.model(1)
    bucket.put(key, b"hostile")
    with pytest.raises(SourceInvalid, match=why):
        fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    left = [one for one in tmp_path.rglob("*") if one.is_file() and one.name != ".lock"]
    assert left == []


def test_more_than_may_be_kept_is_not_fetched(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.model(1, extra=5000)
    monkeypatch.setattr("headrace.registry.stored.cache_bytes", lambda environ: 4000)
    with pytest.raises(SourceInvalid, match="and 4000 may be kept here: raise HEADRACE_MODEL"):
        fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    assert bucket.read == []


def test_without_its_store_what_is_whole_here_is_served(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.model(3)
    models = folder_of(tmp_path, "source: s3://models/photos")
    (before,) = find(models, tmp_path, nobody)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("headrace.registry.asking.COMMAND", without_retries())
    said: list[str] = []
    for address in ("s3://models/photos", "s3://models/photos/3"):
        folder_of(tmp_path, f"source: {address}")
        assert [one.folder for one in find(models, tmp_path, said.append)] == [before.folder]
    assert len(said) == 2
    assert "gives no answer" in said[0]
    assert "taken is what is here, version 3, which was meant when it was last asked" in said[0]
    folder_of(tmp_path, "source: s3://models/photos/2")
    with pytest.raises(ConfigInvalid, match="gives no answer"):
        find(models, tmp_path, nobody)
    folder_of(tmp_path, "source: s3://models/photos")
    (before.folder / "model.py").write_text("spoiled")
    with pytest.raises(ConfigInvalid, match="photos/3, which it meant last, is not whole here"):
        find(models, tmp_path, nobody)


def without_retries() -> tuple[str, ...]:
    code = "from headrace.registry import store, answering; store.RETRIES = 0; answering.main()"
    return (sys.executable, "-P", "-c", code)


def test_a_pin_takes_its_files_and_no_others(bucket: Bucket, tmp_path: Path) -> None:
    bucket.model(1, extra=10)
    put = tmp_path / "author"
    place = fetch(resolve(PHOTOS), state=put, say=nobody)
    command = "find . -type f -printf '%P\\n' | grep -v manifest | LC_ALL=C sort | "
    command += "xargs -d '\\n' sha256sum | sha256sum"
    shell = subprocess.run(
        command, shell=True, cwd=place, capture_output=True, text=True, check=True
    )
    pin = shell.stdout.split()[0]
    models = folder_of(tmp_path, f"source: {{address: 's3://models/photos', sha256: {pin}}}")
    assert len(find(models, tmp_path, nobody)) == 1
    bucket.put("photos/1/model.py", b"import os")
    for state in (tmp_path, tmp_path / "another"):
        with pytest.raises(ConfigInvalid, match=f"have the SHA-256 .*, and model.yaml pins {pin}"):
            find(models, state, nobody)
    # Nor what is here already, for another model or before the pin was written.
    wrong = "f" * 64
    folder_of(tmp_path, f"source: {{address: 's3://models/photos', sha256: {wrong}}}")
    with pytest.raises(ConfigInvalid, match=f"pins {wrong}"):
        find(models, put, nobody)


def test_a_source_outside_the_list_is_not_even_asked(bucket: Bucket, tmp_path: Path) -> None:
    models = folder_of(tmp_path, "source: s3://models/photos")
    with pytest.raises(ConfigInvalid, match="not among the sources of this server, which are s3:"):
        find(models, tmp_path, nobody, allowed("s3://models/photo"))
    bucket.model(1)
    assert find(models, tmp_path, nobody, allowed("models:/,s3://models"))


def test_a_folder_of_this_machine_is_a_store_without_links(tmp_path: Path) -> None:
    store = tmp_path / "a store" / "photos"
    (store / "4" / "sub").mkdir(parents=True)
    (store / "4" / "sub" / "w").write_bytes(b"weights")
    found = resolve(StoreAddress(store.as_uri().replace("%20", " ")))
    place = fetch(found, state=tmp_path, say=nobody)
    assert (place / "sub" / "w").read_bytes() == b"weights"
    (store / "4" / "leak").symlink_to("/etc/passwd")
    with pytest.raises(SourceInvalid, match="leak is a link: expected files"):
        resolve(found.address)
    with pytest.raises(SourceAway, match="is no folder: is it mounted"):
        resolve(StoreAddress(f"{found.address.folder}s"))


def test_a_store_that_is_away_is_named_within_its_time_and_without_secrets(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(SourceAway, match="s3://models/photos gives no answer") as raised:
        resolve(PHOTOS)
    assert time.monotonic() - began < 60
    assert "very-secret" not in str(raised.value)


def test_what_is_not_there_is_told_with_what_is(bucket: Bucket) -> None:
    with pytest.raises(SourceInvalid, match=r"no version at s3://models/photos; .* are none"):
        resolve(PHOTOS)
    bucket.model(7)
    with pytest.raises(SourceInvalid, match=r"no version 8 at .*: expected such as s3://models/ph"):
        resolve(StoreAddress("s3://models/photos", 8))
    with pytest.raises(SourceInvalid, match="nothing at s3://none-such/photos"):
        resolve(StoreAddress("s3://none-such/photos"))


def test_without_the_library_it_is_said_what_to_install(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "obstore.py").write_text("raise ModuleNotFoundError('none', name='obstore')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(SourceInvalid, match=r"not installed, .*pip install 'headrace\[stores\]'"):
        resolve(PHOTOS)


def test_what_fails_for_a_moment_is_tried_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.model(1)
    bucket.failures = 2
    found = resolve(PHOTOS)
    assert bucket.failures == 0
    bucket.failures = 2
    assert damage(fetch(found, state=tmp_path, say=nobody)) == ""


def test_more_objects_than_a_page_of_the_list_are_all_there(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(1001):
        bucket.put(f"photos/1/{number}")
    place = fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    assert len(list(place.iterdir())) == 1001 + len([".manifest.json"])


@pytest.mark.parametrize(
    ("kind", "text", "told", "is_away"),
    [
        ("PermissionDeniedError", "403", "may not be read (403): check the credentials", False),
        ("UnauthenticatedError", "401", "may not be read (401): check the credentials", False),
        (
            "GenericError",
            "GET https://a/b?sig=secret) ended\nsecret",
            "GET https://a/b?…",
            True,
        ),
    ],
)
def test_what_a_store_refuses_is_no_matter_of_waiting(
    kind: str, text: str, told: str, is_away: bool
) -> None:
    error = error_of(getattr(exceptions(), kind)(text))
    assert told in str(error)
    assert "secret" not in str(error)
    assert isinstance(error, SourceAway) == is_away


def test_a_disk_that_is_full_is_told_by_its_name() -> None:
    error = error_of(OSError(28, "No space left on device", "/state/models"))
    assert str(error).startswith("/state/models cannot be kept (No space left on device): make")
    assert not isinstance(error, SourceAway)


def error_of(raised: Exception) -> SourceInvalid:
    from headrace.registry import store

    return store._told(raised, "s3://models/photos")


def exceptions() -> Any:
    import obstore.exceptions

    return obstore.exceptions
