"""What a server has, as versions of a folder."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from headrace.cli import fronting
from headrace.cli.commands import app
from headrace.cli.fronting import Found
from headrace.config.upstream import Upstream, load, server_at
from headrace.control.arriving import serves
from headrace.control.moving import settle
from headrace.control.wanted import Pending, begun
from headrace.errors import ConfigInvalid, RepositoryInvalid
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import Standing, State
from headrace.repository.changed import changed
from headrace.repository.folder import find

URL = "grpc://triton:8001"
SERVER = Upstream(url=URL)


def row(model: str, version: str = "1", ready: bool = True, reason: str = "") -> dict[str, Any]:
    return {"model": model, "version": version, "ready": ready, "reason": reason}


@pytest.mark.parametrize(
    ("given", "number", "why"),
    [
        (row("photos"), 1, ""),
        (row("photos", "12"), 12, ""),
        (row("photos", ""), 1, ""),
        (row("photos", "v2"), None, "its version is no number; write MODEL/1/upstream.yaml"),
        (row("a/b"), None, "its name cannot be written in URLs"),
        (row("photos", ready=False, reason="no\nmemory"), None, "is not ready there: no"),
        (row("photos", ready=False), None, "no reason is told"),
    ],
)
def test_what_a_server_lists_is_served_or_told_why_not(
    given: dict[str, Any], number: int | None, why: str
) -> None:
    found, passed_over = fronting.listed(SERVER, [given])
    if number is None:
        assert found == []
        assert why in passed_over[0]
        assert "\n" not in passed_over[0]
    else:
        assert [(one.model, one.number) for one in found] == [(given["model"], number)]
        assert found[0].upstream.version == given["version"]
        assert passed_over == []


def test_what_is_written_is_found_and_written_once(tmp_path: Path) -> None:
    found = [Found("photos", 3, Upstream(url=URL, version="3")), *fronting.named(SERVER, ["texts"])]
    assert not fronting.is_known(tmp_path, URL)
    assert len(list(fronting.write(tmp_path, found))) == 2
    assert list(fronting.write(tmp_path, found)) == []
    assert fronting.is_known(tmp_path, URL)
    assert not fronting.is_known(tmp_path, "grpc://other:8001")
    versions = find(tmp_path)
    assert [(one.label, one.backend) for one in versions] == [
        ("photos/3", "upstream"),
        ("texts/1", "upstream"),
    ]
    assert load(versions[0].folder / "upstream.yaml") == found[0].upstream


def test_a_number_is_not_taken_from_a_version_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "photos" / "1").mkdir(parents=True)
    (tmp_path / "photos" / "1" / "model.py").write_text("")
    with pytest.raises(RepositoryInvalid, match="give yours another number"):
        list(fronting.write(tmp_path, fronting.named(SERVER, ["photos"])))
    assert not (tmp_path / "photos" / "1" / "upstream.yaml").exists()


@pytest.mark.parametrize("url", ["ftp://triton:8000", "triton:8001", "grpc://triton", "http://:x"])
def test_another_address_is_refused_in_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="expected grpc://HOST:PORT"):
        server_at(url)
    file = tmp_path / "upstream.yaml"
    file.write_text(f'url: "{url}"\n')
    with pytest.raises(ConfigInvalid, match=r"upstream\.yaml:1:\d+: expected grpc://HOST:PORT"):
        load(file)


def test_an_address_with_a_password_is_refused_without_it(tmp_path: Path) -> None:
    file = tmp_path / "upstream.yaml"
    file.write_text("url: grpc://me:s3cret@triton:8001\n")
    with pytest.raises(ConfigInvalid, match="names a user: token_env") as error:
        load(file)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("model: photos\n", "'url' is missing"),
        (f"url: {URL}\nversion: 3\n", "version: expected a text, not 3"),
        (
            f"url: {URL}\nrow_in_flight: 3\n",
            "unknown key 'row_in_flight'; did you mean 'rows_in_flight'?",
        ),
        (f"url: {URL}\nrows_in_flight: 0\n", "rows_in_flight"),
        (f"url: {URL}\nca: ca.pem\n", "ca, certificate and key are for grpcs:// and https://"),
        ("url: grpcs://t:1\nkey: key.pem\n", "certificate and key are given together"),
        (f"url: {URL}\ntoken_env: A\ntoken_file: b\n", "one of token_env and token_file"),
        (f"url: {URL}\ntoken_env: a b\n", "token_env"),
        (
            f"url: {URL}\ninputs: [{{name: x, datatype: FP32, shape: [-1]}}]\n",
            "inputs and outputs are given together",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "upstream.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as told:
        load(file)
    assert why in str(told.value)


def test_files_of_a_server_are_from_where_its_file_is(tmp_path: Path) -> None:
    one = server_at("https://t:1", ca="ca.pem", certificate="/c.pem", key="k", token_env="TOKEN")
    assert one.access(tmp_path) == {
        "ca": str(tmp_path / "ca.pem"),
        "certificate": "/c.pem",
        "key": str(tmp_path / "k"),
        "token_env": "TOKEN",
    }
    assert SERVER.access(tmp_path) == {}


def test_who_served_so_far_serves_first(tmp_path: Path) -> None:
    list(fronting.write(tmp_path, [Found("photos", 1, Upstream(url=URL))]))
    versions = {one.number: one for one in find(tmp_path)}
    assert serves(versions) is None, "there is no other"
    (tmp_path / "photos" / "2").mkdir()
    (tmp_path / "photos" / "2" / "model.py").write_text("")
    versions = {one.number: one for one in find(tmp_path)}
    wanted = begun(None, "photos", {1: False, 2: False}, serves(versions))
    assert wanted.pending == Pending({1: WHOLE})
    assert wanted.shares == {1: WHOLE}, "also while ours is ready and the server is away"
    ready, loading = Standing(State.READY, ""), Standing(State.LOADING, "")
    assert settle(wanted, {1: loading, 2: ready}) is None
    settled = settle(wanted, {1: ready, 2: loading})
    assert settled is not None
    assert settled[0].shares == {1: WHOLE}


def test_a_change_of_model_yaml_is_for_versions_that_run_here(tmp_path: Path) -> None:
    list(fronting.write(tmp_path, fronting.named(SERVER, ["photos"])))
    (tmp_path / "photos" / "2").mkdir()
    (tmp_path / "photos" / "2" / "model.py").write_text("")
    versions = find(tmp_path)
    (tmp_path / "photos" / "model.yaml").write_text("batching: {queue_rows: 700}\n")
    assert [one.version.number for one in changed(versions, "photos")] == [2]


def test_a_check_leaves_another_server_alone(tmp_path: Path) -> None:
    list(fronting.write(tmp_path, fronting.named(SERVER, ["photos"])))
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 0
    assert f"photos/1: runs at {URL}, which was not asked" in result.output
