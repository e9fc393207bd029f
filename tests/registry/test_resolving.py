"""Addresses resolved and files fetched, from a real registry in SQLite."""

import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.registry.conftest import Logged

from headrace.cli import checking
from headrace.config.source import Address, parse
from headrace.errors import ConfigInvalid, SourceAway, SourceInvalid
from headrace.registry.cache import damage, let_go
from headrace.registry.facts import Facts
from headrace.registry.seen import Seen, recall, remember
from headrace.registry.source import fetch, resolve
from headrace.repository.changed import changed
from headrace.repository.folder import find, find_model
from headrace.repository.sourced import Reach


def address_of(text: str) -> Address:
    address = parse(text)
    assert isinstance(address, Address)
    return address


def facts_of(logged: Logged, address: str) -> Facts:
    return resolve(address_of(address), registry=None, state=logged.state)


def nobody(text: str) -> None: ...


def test_a_version_is_told_with_all_that_the_registry_has_of_it(logged: Logged) -> None:
    found = facts_of(logged, "models:/kinds@champion")
    assert (found.label, found.alias, found.tags) == ("kinds/1", "champion", {"judged": "well"})
    assert {"sklearn", "python_function"} <= set(found.flavours)
    assert found.run_id
    assert found.artifacts.startswith(f"file://{logged.state}/artifacts/")
    assert found.signature is not None
    assert '"width"' in str(found.signature.inputs)
    other = facts_of(logged, "models:/kinds/2")
    assert (other.label, other.alias) == ("kinds/2", None)
    assert found.digest != other.digest


# MLflow's client is used here, and warns of what SQLAlchemy will do otherwise one day.
@pytest.mark.filterwarnings("ignore")
def test_an_alias_is_looked_up_afresh_each_time(logged: Logged) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(logged.uri)
    client.set_registered_model_alias("kinds", "moving", "1")
    assert facts_of(logged, "models:/kinds@moving").number == 1
    client.set_registered_model_alias("kinds", "moving", "2")
    assert facts_of(logged, "models:/kinds@moving").number == 2
    client.delete_registered_model_alias("kinds", "moving")
    with pytest.raises(SourceInvalid, match=r"no alias 'moving' in .*: its aliases are champion;"):
        facts_of(logged, "models:/kinds@moving")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("models:/nothing/1", "no model 'nothing' in the registry sqlite:///.*: register it"),
        ("models:/nothing@champion", "no model 'nothing' in the registry"),
        ("models:/kinds/99", "model 'kinds' has no version 99 in the registry"),
    ],
)
def test_what_is_not_there_is_named(logged: Logged, address: str, why: str) -> None:
    with pytest.raises(SourceInvalid, match=why):
        facts_of(logged, address)


def test_a_registry_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(SourceInvalid, match=r"http://127\.0\.0\.1:9 or its store failed: .*is it"):
        resolve(Address("a", version=1), registry="http://127.0.0.1:9", state=tmp_path)


def test_a_database_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    for scheme in ("sqlite", "sqlite+pysqlite"):
        uri = f"{scheme}:///{tmp_path}/gone.db"
        with pytest.raises(SourceAway, match=r"gone\.db gives no answer, for its file is gone"):
            resolve(Address("a", version=1), registry=uri, state=tmp_path)
    assert not (tmp_path / "gone.db").exists()


class NotLetIn(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - its name


def test_who_is_not_let_in_is_told_how_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret-of-nobody")
    with HTTPServer(("127.0.0.1", 0), NotLetIn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://me:password-of-nobody@127.0.0.1:{server.server_port}"
        with pytest.raises(SourceInvalid, match=r"(?s)401.*MLFLOW_TRACKING_PASSWORD, or") as told:
            resolve(Address("a", alias="b"), registry=uri, state=tmp_path)
        server.shutdown()
    assert not isinstance(told.value, SourceAway)
    assert "of-nobody" not in str(told.value)


def test_without_its_registry_what_is_here_is_served_by_its_number(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away, said = "http://127.0.0.1:9", list[str]()
    yaml = "source: models:/kinds@champion\nmlflow: {registry: 'REGISTRY'}\n"
    models = folder_of(tmp_path, yaml.replace("REGISTRY", logged.uri))
    (here,) = find(models, tmp_path, nobody)
    (models / "a" / "model.yaml").write_text(yaml.replace("REGISTRY", away))
    # Of another registry nothing is known: it may have other models by that name.
    with pytest.raises(ConfigInvalid, match="or its store failed"):
        find(models, tmp_path, nobody)
    seen = recall(tmp_path / "models", f"models:/kinds@champion in {logged.uri}")
    assert seen is not None
    remember(tmp_path / "models", f"models:/kinds@champion in {away}", seen)
    assert find(models, tmp_path, said.append)[0].folder == here.folder
    assert "taken is what is here, version 1" in said[-1]
    let_go(here.folder)


@pytest.mark.filterwarnings("ignore")
def test_an_alias_that_is_gone_keeps_no_server_from_starting(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    client: Any = MlflowClient(logged.uri)
    said = list[str]()
    models = folder_of(
        tmp_path, f"source: models:/kinds@champion\nmlflow: {{registry: '{logged.uri}'}}\n"
    )
    (here,) = find(models, tmp_path, nobody)
    client.delete_registered_model_alias("kinds", "champion")
    try:
        assert find(models, tmp_path, said.append)[0].folder == here.folder
        assert "has no alias 'champion'" in said[-1]
        assert "taken is version 1, which was meant when it was last asked" in said[-1]
        # Who asks anew, and who never had it, is refused.
        with pytest.raises(SourceInvalid, match="has no alias 'champion'"):
            find_model(models, "a", set(), Reach(tmp_path, nobody))
        with pytest.raises(ConfigInvalid, match="has no alias 'champion'"):
            find(models, tmp_path / "other", nobody)
        monkeypatch.setattr(checking, "STATE", tmp_path)
        assert ["has no alias 'champion'" in one.error for one in checking.check(models)] == [True]
        # What the registry has no more is not served, wherever its files are.
        where = f"models:/kinds@champion in {logged.uri}"
        remember(tmp_path / "models", where, Seen(9, "kinds", here.folder.name, None))
        with pytest.raises(ConfigInvalid, match="has no alias 'champion'"):
            find(models, tmp_path, nobody)
    finally:
        client.set_registered_model_alias("kinds", "champion", "1")
        let_go(here.folder)


def test_files_are_fetched_whole_and_once(logged: Logged, tmp_path: Path) -> None:
    found, said = facts_of(logged, "models:/kinds/1"), list[str]()
    place = fetch(found, state=tmp_path, say=said.append)
    assert place == tmp_path / "models" / "kinds" / f"1-{found.digest[:12]}"
    assert damage(place) == ""
    assert (place / "MLmodel").is_file()
    assert said == [f"fetches kinds/1 from {found.artifacts}"]
    assert fetch(found, state=tmp_path, say=said.append) == place
    assert len(said) == 1
    let_go(place)


def test_files_that_are_gone_are_told_and_nothing_is_kept(logged: Logged, tmp_path: Path) -> None:
    found = facts_of(logged, "models:/kinds/1")
    gone = Facts(**{**vars(found), "artifacts": (tmp_path / "gone").as_uri()})
    with pytest.raises(SourceInvalid, match=r"no file at .*gone.* were they deleted\?"):
        fetch(gone, state=tmp_path, say=nobody)
    assert list((tmp_path / "models" / "kinds").iterdir()) == []


def test_more_than_may_be_kept_is_not_fetched(
    logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.registry.source.cache_bytes", lambda environ: 100)
    with pytest.raises(SourceInvalid, match="and 100 may be kept here: make room"):
        fetch(facts_of(logged, "models:/kinds/1"), state=tmp_path, say=nobody)


KILLED = """
import sys, os, signal
from pathlib import Path
from headrace.registry.cache import Cache

def fill(target):
    (target / "weights").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

Cache(Path(sys.argv[1]) / "models", 1 << 30).take("kinds", sys.argv[2], fill, print)
"""


def test_a_fetch_that_is_killed_is_begun_anew(logged: Logged, tmp_path: Path) -> None:
    found = facts_of(logged, "models:/kinds/1")
    key = f"1-{found.digest[:12]}"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), key], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "models" / "kinds").iterdir()
    assert left.name.startswith(".part-")
    place = fetch(found, state=tmp_path, say=nobody)
    assert (left.exists(), damage(place)) == (False, "")
    let_go(place)


def test_what_another_process_uses_is_not_removed(logged: Logged, tmp_path: Path) -> None:
    code = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "") + "print(flush=True); input()"
    command = [sys.executable, "-c", code, str(tmp_path), "9-x"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        from headrace.registry.cache import Cache

        cache = Cache(tmp_path / "models", 5)
        with pytest.raises(SourceInvalid, match="in use have 4, but 5 may be kept"):
            cache.take("kinds", "1-y", lambda at: _write(at / "w", 2), nobody)
        other.stdin.close()
    let_go(cache.take("kinds", "1-y", lambda at: _write(at / "w", 2), nobody))
    assert not (tmp_path / "models" / "kinds" / "9-x").exists()


def _write(path: Path, count: int) -> None:
    path.write_bytes(b"x" * count)


def folder_of(path: Path, yaml: str) -> Path:
    (path / "models" / "a").mkdir(parents=True)
    (path / "models" / "a" / "model.yaml").write_text(yaml)
    return path / "models"


@pytest.mark.parametrize(
    ("yaml", "why"),
    [
        ("source: models:/unsigned/1", "unsigned/1 has no signature.*infer_signature"),
        ("source: models:/kinds/1\nstreams: true", "streams is for a class"),
        ("source: models:/kinds/1\nonnx: {providers: [CPUExecutionProvider]}", "take it out"),
        (
            "source: models:/kinds/1\ninputs: [{name: x, datatype: FP32, shape: []}]",
            "inputs and outputs are declared here and in .*MLmodel: the file owns them",
        ),
    ],
)
def test_a_folder_that_asks_for_what_cannot_be_is_refused(
    logged: Logged, tmp_path: Path, yaml: str, why: str
) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        find(folder_of(tmp_path, yaml), logged.state, nobody)


def test_the_number_is_the_registrys_and_the_folder_is_the_models(
    logged: Logged, tmp_path: Path
) -> None:
    yaml = f"source: models:/kinds/2\nmlflow: {{registry: '{logged.uri}'}}\n"
    models = folder_of(tmp_path, yaml)
    (version,) = find(models, tmp_path / "state", nobody)
    assert (version.label, version.backend, version.home) == ("a/2", "mlflow", models / "a")
    assert changed([version], "") == []
    (version.home / "model.yaml").write_text(f"{yaml}batching: {{max_rows: 8}}\n")
    (one,) = changed([version], "a")
    assert [str(change) for change in one.changes] == ["batching.max_rows 64 -> 8"]


def test_a_graph_goes_to_onnx_runtime(logged: Logged, tmp_path: Path) -> None:
    (version,) = find(folder_of(tmp_path, "source: models:/graph/1"), logged.state, nobody)
    assert version.backend == "onnx"
    assert (version.folder / "model.onnx").is_file()


def test_without_mlflow_it_is_said_what_to_install(
    logged: Logged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mlflow.py").write_text("raise ModuleNotFoundError('none', name='mlflow')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(SourceInvalid, match=r"not installed, .*pip install 'headrace\[mlflow\]'"):
        facts_of(logged, "models:/kinds/1")
