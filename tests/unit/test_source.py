"""Addresses of versions in a registry, where it is asked, and what is kept of it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.config.source import Address, parse
from headrace.errors import ConfigInvalid, EnvironmentInvalid, SourceAway, SourceInvalid
from headrace.registry import cache as caching
from headrace.registry.cache import Cache, Kept, damage, let_go, surplus
from headrace.registry.child import listed
from headrace.registry.facts import Facts, Place, Signature, as_json, flavour, from_json
from headrace.registry.place import cache_bytes, check_there, place
from headrace.repository.folder import find


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("models:/photos/3", Address("photos", version=3)),
        ("models:/photos@champion", Address("photos", alias="champion")),
        ("models:/a model.v2/12", Address("a model.v2", version=12)),
        ("models:/été@a_b-1", Address("été", alias="a_b-1")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("photos/3", "is no address of a registry: expected models:/NAME/VERSION"),
        ("runs:/1234/model", "is no address of a registry"),
        ("models://photos/3", "'' is not served as a model's name"),
        ("models:/", "'' is not served as a model's name"),
        ("models:/../3", "'..' is not served"),
        ("models:/.hidden/3", "'.hidden' is not served"),
        ("models:/a\\b/3", "is not served as a model's name"),
        (f"models:/{'a' * 129}/3", "is not served as a model's name"),
        ("models:/photos", "write models:/photos/1 for version 1, or models:/photos@champion"),
        ("models:/photos/", "'' is not the number of a version"),
        ("models:/photos/0", "'0' is not the number"),
        ("models:/photos/03", "'03' is not the number"),
        ("models:/photos/latest", "'latest' is not the number of a version, and stages are not"),
        ("models:/photos/Production", "stages are not followed"),
        ("models:/photos/3/x", "'3/x' is not the number"),
        ("models:/photos@", "'' is no alias"),
        ("models:/photos@latest", "'latest' is no alias"),
        ("models:/photos@v3", "'v3' is no alias"),
        ("models:/photos@a b", "'a b' is no alias"),
        ("models:/photos@a/3", "says more than one thing"),
        ("models:/m-" + "0" * 32, "does not say which version"),
    ],
)
def test_what_is_no_address_is_told_what_to_write(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        parse(text)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "environ", "expected"),
    [
        ("http://s", {"MLFLOW_TRACKING_URI": "http://t"}, ("http://s", "http://s")),
        (None, {"MLFLOW_TRACKING_URI": "http://t"}, ("http://t", "http://t")),
        (None, {"MLFLOW_REGISTRY_URI": "http://r"}, ("http://r", "http://r")),
        (
            None,
            {"MLFLOW_TRACKING_URI": "http://t", "MLFLOW_REGISTRY_URI": "http://r"},
            ("http://t", "http://r"),
        ),
    ],
)
def test_a_setting_goes_before_mlflows_variables(
    tmp_path: Path, setting: str | None, environ: dict[str, str], expected: tuple[str, str]
) -> None:
    assert place(setting, environ, tmp_path) == Place(*expected)


def test_where_nothing_is_said_a_database_of_the_state_folder_is_asked(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    own = place(None, {"MLFLOW_TRACKING_URI": ""}, tmp_path)
    assert own == Place(uri, uri)
    # What is here may serve meanwhile.
    with pytest.raises(SourceAway, match=r"set MLFLOW_TRACKING_URI, or write mlflow:"):
        check_there(own, tmp_path)
    (tmp_path / "mlflow.db").touch()
    check_there(own, tmp_path)


def test_the_bound_of_what_is_kept_is_a_number_of_gib() -> None:
    assert cache_bytes({}) == 64 << 30
    assert cache_bytes({"HEADRACE_MODEL_CACHE_GIB": "2"}) == 2 << 30
    for wrong in ("0", "-1", "1.5", "much", "9" * 30, "²"):
        with pytest.raises(EnvironmentInvalid, match="expected a number of GiB from 1"):
            cache_bytes({"HEADRACE_MODEL_CACHE_GIB": wrong})


@pytest.mark.parametrize(
    ("found", "of_tensors", "expected"),
    [
        (["python_function", "sklearn"], True, "sklearn"),
        (["onnx", "python_function"], True, "onnx"),
        (["python_function", "pytorch"], True, "pytorch"),
        # Columns are made an array by python_function; PyTorch takes none.
        (["python_function", "pytorch"], False, "python_function"),
        (["python_function", "xgboost"], True, "python_function"),
    ],
)
def test_of_several_flavours_the_preferred_one_is_run(
    found: list[str], of_tensors: bool, expected: str
) -> None:
    assert flavour(found, "a/1", of_tensors=of_tensors) == expected


@pytest.mark.parametrize(("found", "told"), [(["spark"], "spark"), ([], "none")])
def test_a_version_without_a_flavour_that_is_run_is_refused(found: list[str], told: str) -> None:
    with pytest.raises(SourceInvalid, match=f"a/1 has the flavours {told}: expected one of onnx"):
        flavour(found, "a/1")


@pytest.mark.parametrize("signature", [None, Signature("[]", None)])
def test_facts_cross_to_another_process_whole(signature: Signature | None) -> None:
    facts = Facts(
        Place("t", "r"), "a", 3, "best", None, "s3://a", ["onnx"], signature, {"k": "v"}, "d" * 64
    )
    assert from_json(json.loads(json.dumps(as_json(facts)))) == facts


@pytest.mark.parametrize(
    ("room", "gone"),
    [(60, []), (59, ["old"]), (50, ["old"]), (49, ["old", "new"]), (0, ["old", "new"])],
)
def test_what_was_unused_longest_goes_first_and_nothing_that_is_used(
    room: int, gone: list[str]
) -> None:
    kept = [
        Kept(Path("new"), 20, 3.0, in_use=False),
        Kept(Path("old"), 10, 2.0, in_use=False),
        Kept(Path("used"), 30, 1.0, in_use=True),
    ]
    assert [one.folder.name for one in surplus(kept, room)] == gone


def filled(**files: int) -> Any:
    def fill(target: Path) -> None:
        for name, size in files.items():
            (target / name).write_bytes(b"x" * size)

    return fill


def refuse(target: Path) -> None:
    raise AssertionError("it was fetched again")


def nobody(text: str) -> None: ...


def test_a_version_is_fetched_once_and_anew_when_it_is_not_as_it_was(tmp_path: Path) -> None:
    cache, said = Cache(tmp_path, 1000), list[str]()
    place = cache.take("a", "1-d", filled(weights=3), nobody)
    assert damage(place) == ""
    assert cache.take("a", "1-d", refuse, nobody) == place
    for spoil, why in (
        (lambda: (place / "weights").write_bytes(b"xyx"), "weights was changed"),
        (lambda: (place / "weights").unlink(), "weights was removed"),
        (lambda: (place / "more").touch(), "more was added"),
        (lambda: (place / ".manifest.json").write_text("{"), "its manifest cannot be read"),
    ):
        spoil()
        assert why in damage(place)
        cache.take("a", "1-d", filled(weights=3), said.append)
        assert why in said.pop()
        assert damage(place) == ""
    let_go(place)


def test_what_fails_on_its_way_leaves_nothing_and_a_killed_fetch_is_begun_anew(
    tmp_path: Path,
) -> None:
    cache = Cache(tmp_path, 1000)

    def failing(target: Path) -> None:
        filled(weights=3)(target)
        raise SourceInvalid("the store is away")

    with pytest.raises(SourceInvalid, match="the store is away"):
        cache.take("a", "1-d", failing, nobody)
    assert [one.name for one in (tmp_path / "a").iterdir()] == []
    # As a process leaves it that was killed.
    (tmp_path / "a" / ".part-99-1-d").mkdir()
    place = cache.take("a", "1-d", filled(weights=3), nobody)
    assert sorted(one.name for one in (tmp_path / "a").iterdir()) == [".1-d.lock", "1-d"]
    let_go(place)


def test_room_is_made_of_what_nobody_uses(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10)
    first = cache.take("a", "1-d", filled(weights=6), nobody)
    with pytest.raises(SourceInvalid, match="versions that are in use have 6, but 10 may be kept"):
        cache.take("a", "2-d", filled(weights=6), nobody)
    assert damage(first) == ""
    let_go(first)
    second = cache.take("a", "2-d", filled(weights=6), nobody)
    assert (first.exists(), damage(second)) == (False, "")
    let_go(second)


def test_a_disk_that_is_full_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    with pytest.raises(SourceInvalid, match=r"cannot be kept \(No space left on device\): make"):
        Cache(tmp_path, 10).take("a", "1-d", full, nobody)
    assert caching._HELD == {}


@pytest.mark.parametrize("path", ["../a", "/etc/a", "a/../../b", "a\\b", ""])
def test_a_registry_cannot_lead_files_out_of_their_folder(path: str) -> None:
    store = SimpleNamespace(
        artifact_uri="x",
        list_artifacts=lambda _: [SimpleNamespace(path=path, is_dir=False, file_size=1)],
    )
    with pytest.raises(SourceInvalid, match="expected one below its folder"):
        listed(store)


@pytest.mark.parametrize(
    ("yaml", "folders", "why"),
    [
        ("source: models:/a/1", ["1"], "source names the version that is served, and there is"),
        ("source: models:/a/1", [], "a/model.yaml: source models:/a/1: nothing says where"),
        ("", [], "or a source in model.yaml"),
    ],
)
def test_a_folder_has_versions_or_a_source(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    yaml: str,
    folders: list[str],
    why: str,
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in (".", *folders):
        (tmp_path / "a" / name).mkdir(parents=True, exist_ok=True)
    (tmp_path / "a" / "model.yaml").write_text(yaml)
    with pytest.raises(ConfigInvalid) as raised:
        find(tmp_path, tmp_path / "state")
    assert why in str(raised.value)
