"""Models of an object store on whole servers, of one process and on Ray."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.local.conftest import PATIENCE_S, LocalServer
from tests.ports import free_ports
from tests.stores.conftest import MODEL, Bucket, folder_of

#: A server whose cache has another bound than a user can choose, and whose store has one try.
BOUNDED = """
import sys
from headrace.registry import stored
from headrace.repository import sourced
stored.cache_bytes = sourced.cache_bytes = lambda environ: {}
from headrace.cli import main
sys.argv[0] = "headrace"
main()
"""
#: Rows of a call.
X = [1.0, 2.0, 3.0, 4.0]


@contextmanager
def serving(
    models: Path, state: Path, *options: str, bound: int = 1 << 30, engine: str = "local"
) -> Iterator[LocalServer]:
    state.mkdir(parents=True, exist_ok=True)
    port, log = free_ports(), state / "output"
    command = [sys.executable, "-c", BOUNDED.format(bound), "serve", str(models)]
    command += ["--engine", engine, "--ports", str(port), "--state", str(state), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    server = LocalServer(process, models, port, state, log)
    try:
        server.wait_ready()
        yield server
        assert server.end() == 0, server.output()
    finally:
        process.kill()
        process.wait()


def versions(server: LocalServer) -> dict[int, float]:
    (model,) = server.get(f"{server.console}/api/status")[1]["models"]
    return {one["version"]: one["share_percent"] for one in model["versions"]}


def wait(until: Callable[[], bool], server: LocalServer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, server.output()
        time.sleep(0.05)  # noqa: TID251 - waits for another process


def answer(server: LocalServer) -> float:
    status, body = server.post("photos", [X])
    assert status == 200, body
    return float(body["outputs"][0]["data"][0])


def kept(state: Path) -> set[str]:
    return {one.name.partition("-")[0] for one in (state / "models" / "photos").glob("[0-9]*")}


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_ten_swaps_keep_two_versions_at_most(bucket: Bucket, tmp_path: Path, engine: str) -> None:
    for number in range(1, 12):
        bucket.model(number, extra=1_000_000)
    models, state = folder_of(tmp_path, "source: s3://models/photos/1"), tmp_path / "state"
    with serving(models, state, bound=2_500_000, engine=engine) as server:
        for number in range(2, 12):
            wait(lambda: len(versions(server)) == 1, server)
            server.command("load", f"photos/{number}", "--swap")
            assert answer(server) == number
            assert len(kept(state)) <= 2
        wait(lambda: versions(server) == {11: 100}, server)
        # Two are in use now: a third is refused, and what serves serves on.
        server.command("load", "photos/10")
        said = server.command("load", "photos/9", code=1)
        assert "versions that are in use have 2" in said
        assert answer(server) == 11
        told = server.command("status", "--json") + server.output()
        assert "very-secret" not in told
    assert "very-secret" not in "".join(
        one.read_text(errors="replace") for one in state.rglob("*") if one.is_file()
    )


def test_a_start_without_its_store_goes_on_with_what_had_traffic(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        bucket.model(number)
    models, state = folder_of(tmp_path, "source: s3://models/photos"), tmp_path / "state"
    with serving(models, state) as server:
        assert versions(server) == {2: 100}
        server.command("load", "photos/1")
        server.command("split", "photos", "1=100")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with serving(models, state) as server:
        assert versions(server) == {1: 100, 2: 0}
        assert answer(server) == 1
        assert "taken is what is here, version 2" in server.output()
        # What is asked for anew is not answered with what was meant before.
        assert "gives no answer" in server.command("load", "photos", code=1)
    # One of them is not whole any more: its traffic is said to be lost.
    (spoiled,) = (state / "models" / "photos").glob("1-*")
    (spoiled / "model.py").unlink()
    with serving(models, state) as server:
        assert versions(server) == {2: 100}
        assert "photos/1 was wanted and is not served: " in server.output()
        said = server.command("status")
        assert "lost photos/1, had 100 % of the traffic: " in said


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_model_whose_store_is_away_keeps_no_other_from_being_served(
    tmp_path: Path, engine: str
) -> None:
    store, state = tmp_path / "store", tmp_path / "state"
    models = folder_of(tmp_path, f"source: file://{store}/photos")
    (models / "here" / "1").mkdir(parents=True)
    (models / "here" / "1" / "model.py").write_text(MODEL.replace("NUMBER", "1"))
    with serving(models, state, engine=engine) as server:
        assert server.post("here", [X])[0] == 200
        assert server.post("photos", [X])[0] == 404
        for said in (server.output(), server.command("status"), server.command("logs")):
            assert "is no folder: is it mounted?" in said
        assert "is it mounted?" in server.command("load", "photos", code=1)
        (store / "photos" / "3").mkdir(parents=True)
        (store / "photos" / "3" / "model.py").write_text(MODEL.replace("NUMBER", "3"))
        wait(lambda: server.post("photos", [X])[0] == 200, server)
        assert answer(server) == 3
        assert "lost" not in server.command("status")


def test_a_server_takes_allowed_sources_alone(bucket: Bucket, tmp_path: Path) -> None:
    bucket.model(1)
    models, state = folder_of(tmp_path, "source: s3://models/photos"), tmp_path / "state"
    for allowed in ("none", "models:/,s3://models/photo"):
        with (
            pytest.raises(RuntimeError, match="is not among the sources of this server, which are"),
            serving(models, state, "--sources", allowed),
        ):
            pass
    with serving(models, state, "--sources", "s3://models/") as server:
        assert answer(server) == 1
