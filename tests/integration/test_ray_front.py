"""Versions of another server on Ray, beside versions of the folder's own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import START_S, Run, Serve, serving, until, write_model
from tests.integration.models import IDENTITY
from tests.local.conftest import LocalServer, ready
from tests.local.conftest import write_model as write_local


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("upstream")
    write_local(folder / "models", "identity", 'return {"y": batch["x"] * 2}')
    with ready(folder / "models", folder / "state") as server:
        yield server


@pytest.fixture(scope="module")
def run(serve: Serve, upstream: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Serves version 2 of that server, and 3 of its own; 1 is of one that is away."""
    models = tmp_path_factory.mktemp("models")
    write_model(models, "identity", IDENTITY.format(pause=0), version=3)
    elsewhere(models, 2, f"grpc://{upstream.grpc}")
    elsewhere(models, 1, "grpc://127.0.0.1:9")
    return serve(models)


def elsewhere(models: Path, number: int, url: str) -> None:
    (models / "identity" / str(number)).mkdir()
    (models / "identity" / str(number) / "upstream.yaml").write_text(f"url: {url}\nversion: '1'\n")


def answered_by(run: Run, calls: int = 1) -> list[tuple[str, float]]:
    """Return which version answered each call, and with what."""
    found = []
    for _ in range(calls):
        status, answer = run.infer("identity", 3.0)
        assert status == 200, answer
        found.append((answer["model_version"], answer["outputs"][0]["data"][0]))
    return found


def divide(run: Run, *shares: str) -> None:
    run.command("split", "identity", *shares)


def test_the_servers_version_has_the_traffic_and_gives_it_and_gets_it_back(run: Run) -> None:
    assert answered_by(run, 5) == [("2", 6.0)] * 5
    divide(run, "2=50", "3=50")
    until(lambda: len(set(answered_by(run, 8))) == 2, 30, "both answer")
    divide(run, "3=100")
    until(lambda: set(answered_by(run, 8)) == {("3", 3.0)}, 30, "ours has all")
    divide(run, "2=100")
    until(lambda: set(answered_by(run, 8)) == {("2", 6.0)}, 30, "the server's has all")


def test_versions_stand_as_their_servers_do(run: Run) -> None:
    (model,) = run.status()["models"]
    away, theirs, ours = model["versions"]
    assert (theirs["state"], theirs["process"], theirs["hosts"]) == ("ready", "gateway", 1)
    assert (ours["state"], ours["process"]) == ("ready", "identity/3")
    assert away["state"] == "loading"
    assert "waits for its server" in away["reason"]
    assert set(run.status()["processes"]) == {"gateway", "identity/3"}, "no host of theirs"


def test_a_gateway_that_takes_over_has_the_server_too(run: Run) -> None:
    until(lambda: len(run.pids("gateway")) == 2, START_S, "one stands by")
    (before,) = serving(run)
    os.kill(before, signal.SIGKILL)
    until(lambda: run.answers("identity"), START_S, "another answers")
    assert answered_by(run) == [("2", 6.0)], "it knew of the split before the command returned"
    assert serving(run) != [before]
    (model,) = run.status()["models"]
    assert model["versions"][1]["deaths"] == 0, "a gateway's end is none of the version's"


def test_it_is_unloaded_and_loaded_while_others_serve(run: Run) -> None:
    divide(run, "3=100")
    run.command("unload", "identity/2")

    def numbers() -> list[int]:
        (model,) = run.status()["models"]
        return [one["version"] for one in model["versions"]]

    until(lambda: numbers() == [1, 3], 60, "it is gone")
    assert answered_by(run) == [("3", 3.0)]
    run.command("load", "identity/2")
    divide(run, "2=100")
    until(lambda: set(answered_by(run)) == {("2", 6.0)}, 30, "it is back")
