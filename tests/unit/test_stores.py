"""Addresses of object stores, what they list, which sources are allowed, and what was seen last."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.config.allowed import Allowed, read
from headrace.config.load import load
from headrace.config.source import StoreAddress, parse
from headrace.errors import ConfigInvalid, SourceAway, SourceInvalid
from headrace.registry import listing, seen
from headrace.registry.cache import Cache, checksum, let_go
from headrace.registry.listing import Object, Piece, chosen, digest, pieces, versions
from headrace.registry.seen import Seen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket/photos", StoreAddress("s3://bucket/photos")),
        ("s3://bucket/photos/", StoreAddress("s3://bucket/photos")),
        ("s3://bucket/prod/photos/3", StoreAddress("s3://bucket/prod/photos", 3)),
        ("gs://bucket/photos/v2", StoreAddress("gs://bucket/photos/v2")),
        ("az://account/container/photos", StoreAddress("az://account/container/photos")),
        ("file:///a b/photos/12", StoreAddress("file:///a b/photos", 12)),
    ],
)
def test_an_address_of_a_store_is_a_models_folder_or_a_version(
    text: str, address: StoreAddress
) -> None:
    assert parse(text) == address
    assert str(address) == text.removesuffix("/")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("s3://bucket", "does not name a model's folder: expected s3://BUCKET/PATH/MODEL"),
        ("s3://bucket/3", "does not name a model's folder"),
        ("s3://", "has a part ''"),
        ("s3://bucket//photos", "has a part ''"),
        ("s3://bucket/../photos", "has a part '..'"),
        ("s3://bucket/a\\b", "has a part 'a\\\\b'"),
        ("s3://bucket/a?versionId=1", "has a part 'a?versionId=1'"),
        ("s3://bucket/%2e%2e/a", "has a part '%2e%2e'"),
        ("s3://bucket/a\n", "has a part 'a\\n'"),
        ("s3://bucket/.hidden", "does not name a model's folder"),
        ("s3://bucket/" + "a/" * 600 + "a", "has a part 'a'"),
        ("file://host/photos", "names a host"),
        ("ftp://host/photos", "of an object store, such as s3://"),
    ],
)
def test_what_is_no_address_of_a_store_is_told_what_to_write(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse(text)
    assert why in str(raised.value)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="credentials are taken from the environment") as raised:
        parse("s3://key:secret@bucket/photos")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("yaml", "why"),
    [
        ("source: {address: 's3://b'}", "1:10: 's3://b' does not name a model's folder"),
        ("source: {address: 's3://b/a', sha256: ff}", "1:31: sha256: string should match pattern"),
        ("source: {sha256: ff}", "address"),
        ("source: s3://b/a\nmlflow: {registry: x}", "there is no source of a registry"),
    ],
)
def test_a_source_says_where_and_may_pin(tmp_path: Path, yaml: str, why: str) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(yaml)
    with pytest.raises(ConfigInvalid, match=r".") as raised:
        load(file)
    assert why in str(raised.value)
    file.write_text("source: {address: 's3://b/a', sha256: " + "ab" * 32 + "}")
    source = load(file).source
    assert source is not None
    assert (source.parsed, source.sha256) == (StoreAddress("s3://b/a"), "ab" * 32)


def listed(*names: str, size: int = 1) -> Iterator[Object]:
    return (Object(name, 0 if name.endswith("/") else size, "e") for name in names)


def found_in(*names: str) -> dict[int, list[str]]:
    return {
        number: [one.path for one in objects]
        for number, objects in versions(listed(*names), "s3://b/a").items()
    }


def test_numbered_folders_are_versions_and_what_lies_beside_them_is_not() -> None:
    assert found_in("model.yaml", "2/b", "2/a/c", "10/a", "03/a", "x/1/a", "4", "a/b") == {
        2: ["a/c", "b"],
        10: ["a"],
    }
    assert found_in("1/__pycache__/a.pyc", "1/a/__pycache__/b.pyc") == {}


def test_a_mark_of_a_folder_is_no_file_and_a_file_is_no_folder() -> None:
    marks = [Object("1/a", 0, None), Object("1/a/b", 3, None)]
    assert versions(marks, "x") == {1: [Object("a/b", 3, None)]}
    with pytest.raises(SourceInvalid, match="x/1/a is an object with 2 bytes and a folder of"):
        versions([Object("1/a", 2, None), marks[1]], "x")


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/x", "a//b", "./x", "a\\b", "a\nb", "a\x00b", "a" * 256, ".fetched"],
)
def test_a_name_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(SourceInvalid, match="expected a file's name below its folder"):
        versions(listed(f"1/{path}"), "s3://b/a")


def test_a_list_without_end_is_left_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_FILES", 1000)
    taken: list[int] = []

    def endless() -> Iterator[Object]:
        while True:
            taken.append(1)
            yield Object(f"1/{len(taken)}", 1, None)

    with pytest.raises(SourceInvalid, match="s3://b/a has more than 1000 objects"):
        versions(endless(), "s3://b/a")
    assert len(taken) == 1001


def test_the_highest_version_is_chosen_unless_one_is_named() -> None:
    found = versions(listed("2/a", "10/a"), "x")
    assert chosen(found, None, "x") == 10
    assert chosen(found, 2, "x") == 2
    with pytest.raises(SourceInvalid, match=r"no version 3 at x; .* are 2, 10: expected such as"):
        chosen(found, 3, "x")


def test_a_digest_is_of_names_sizes_etags_and_the_address() -> None:
    one = Object("a", 1, "e")
    others = [("x", Object("b", 1, "e")), ("x", Object("a", 2, "e")), ("y", one)]
    others += [("x", Object("a", 1, None))]
    digests = {digest(address, [of]) for address, of in [("x", one), *others]}
    assert len(digests) == 5


def test_an_object_is_fetched_in_pieces_that_join_without_a_gap() -> None:
    size = 2 * listing.PIECE_BYTES + 1
    one, empty = Object("a", size, None), Object("b", 0, None)
    assert list(pieces([one, empty])) == [
        Piece(one, 0, listing.PIECE_BYTES),
        Piece(one, listing.PIECE_BYTES, 2 * listing.PIECE_BYTES),
        Piece(one, 2 * listing.PIECE_BYTES, size),
    ]


@pytest.mark.parametrize(
    ("given", "address", "registry", "is_allowed"),
    [
        (None, "s3://anything/a", "http://anywhere", True),
        ("none", "s3://b/a", None, False),
        ("models:/", "models:/a/1", None, True),
        ("models:/", "models:/a@best", None, True),
        ("models:/a", "models:/a@best", None, True),
        ("models:/a", "models:/ab/1", None, False),
        ("models:/,s3://b/prod/", "s3://b/prod/a", None, True),
        ("s3://b/prod", "s3://b/prod/a/3", None, True),
        ("s3://b/prod", "s3://b/production/a", None, False),
        ("s3://b/prod/a/3", "s3://b/prod/a", None, False),
        ("models:/", "models:/a/1", "http://other", False),
        ("models:/,http://mine:5000", "models:/a/1", "http://mine:5000", True),
        ("models:/,http://mine:5000", "models:/a/1", "http://mine:50001", False),
    ],
)
def test_sources_are_taken_by_whole_parts_of_their_addresses(
    given: str | None, address: str, registry: str | None, is_allowed: bool
) -> None:
    allowed = read(given)
    if is_allowed:
        allowed.check(parse(address), registry)
        return
    with pytest.raises(SourceInvalid, match="is not among the sources of this server, which are"):
        allowed.check(parse(address), registry)


@pytest.mark.parametrize("wrong", ["", "models", "bucket/prod", "s3://b/..", "models:/,", "None"])
def test_a_list_that_allows_nothing_that_was_meant_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"--sources has '.*': expected addresses with commas"):
        read(wrong)
    assert read("models:/, s3://b/") == Allowed(("models:/", "s3://b/"))


def nobody(text: str) -> None: ...


def write(target: Path) -> None:
    (target / "w").write_bytes(b"xy")


def test_what_was_seen_last_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    cache, away = Cache(tmp_path, 100), SourceAway("no answer")
    what = Seen(3, "a", "3-d", None)
    assert seen.recall(tmp_path, "x") is None
    seen.remember(tmp_path, "x", what)
    assert seen.recall(tmp_path, "x") == what
    with pytest.raises(SourceAway, match="no answer; a/3, which it meant last, is not whole here"):
        seen.take(cache, what, away, nobody, None)
    place = cache.take("a", "3-d", write, nobody)
    assert seen.take(cache, what, away, nobody, checksum(files_of(place))) == place
    with pytest.raises(SourceInvalid, match=r"model\.yaml pins none"):
        seen.take(cache, what, away, nobody, "none")
    let_go(place)
    (file,) = (tmp_path / ".seen").glob("*.json")
    file.write_text("{")
    assert seen.recall(tmp_path, "x") is None


def test_only_so_many_addresses_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "MOST", 3)
    for number in range(6):
        seen.remember(tmp_path, f"a{number}", Seen(number, "a", "k", None))
    assert len(list((tmp_path / ".seen").glob("*.*"))) == 3 + len([".lock"])


def files_of(place: Path) -> dict[str, str]:
    return dict(json.loads((place / ".manifest.json").read_text())["files"])


def test_what_python_compiled_comes_with_no_version(tmp_path: Path) -> None:
    def fill(target: Path) -> None:
        write(target)
        (target / "a" / "__pycache__").mkdir(parents=True)
        (target / "a" / "__pycache__" / "w.pyc").write_bytes(b"hidden")

    place = Cache(tmp_path, 100).take("a", "1-d", fill, nobody)
    assert list(place.rglob("*.pyc")) == []
    let_go(place)


def test_what_a_store_sent_before_it_went_away_is_kept_for_the_next_try(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100)

    def half(target: Path) -> None:
        write(target)
        raise SourceAway("no answer")

    def rest(target: Path) -> None:
        assert (target / "w").read_bytes() == b"xy"

    with pytest.raises(SourceAway):
        cache.take("a", "1-d", half, nobody)
    let_go(cache.take("b", "1-d", write, nobody))
    # Another fetch has removed it: no more than one is ever kept.
    assert list((tmp_path / "a").iterdir()) == []
    with pytest.raises(SourceAway):
        cache.take("a", "1-d", half, nobody)
    let_go(cache.take("a", "1-d", rest, nobody))
