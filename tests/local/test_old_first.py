"""Two versions without room for both: the old one ends first, and who comes meanwhile waits."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.local.conftest import PATIENCE_S, LocalServer, ready, start
from tests.local.test_lifecycle import rows

#: Takes the only room, for as long as it lives; and some time to load.
MODEL = """
import fcntl, os, time
from headrace import Model, Tensor
class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]
    def load(self, context):
        self.room = open({room!r}, "w")
        fcntl.flock(self.room, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while os.path.exists({room!r} + ".held"):
            time.sleep(0.02)
        time.sleep(0.5)
        {then}
    def predict(self, batch):
        time.sleep(0.005)
        return {{"y": batch["x"] * {number}}}
"""


def write(folder: Path, number: int, then: str = "", yaml: str = "") -> Path:
    models = folder / "models"
    version = models / "m" / str(number)
    version.mkdir(parents=True)
    source = MODEL.format(room=str(folder / "room"), number=number, then=then)
    (version / "model.py").write_text(source)
    (models / "m" / "model.yaml").write_text(yaml)
    return models


@contextmanager
def loaded(server: LocalServer, seconds: float) -> Iterator[list[Any]]:
    """Load it over both protocols, 100 requests a second in all; what came of it is there then."""
    records: list[Any] = []

    def bench(url: str) -> None:
        what = ["m", "--url", url, "--rate", "50", "--arrivals", "constant", "--rounds", "1"]
        limits = ["--seconds", f"{seconds:g}", "--timeout-ms", "60000", "--json"]
        told = server.command("bench", *what, *limits)
        records.extend(json.loads(next(one for one in told.splitlines() if one[:1] == "[")))

    urls = (f"http://{server.http}", f"grpc://{server.grpc}")
    threads = [threading.Thread(target=bench, args=(url,)) for url in urls]
    for one in threads:
        one.start()
    until(lambda: rows(server).get(1, {}).get("in_flight", 0) > 0)
    yield records
    for one in threads:
        one.join()


def until(reached: Callable[[], Any]) -> None:
    late = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < late


def journal(server: LocalServer) -> list[Any]:
    """The journal's entries, the oldest first."""
    return [json.loads(one) for one in server.command("journal", "m", "--json").splitlines()]


def whats(server: LocalServer) -> list[str]:
    return [one["what"] for one in journal(server)]


def answer(server: LocalServer) -> Any:
    status, body = server.post("m", [1.0] * 4)
    return body["outputs"][0]["data"][0] if status == 200 else body


def test_a_swap_with_room_for_one_loses_no_request(tmp_path: Path) -> None:
    models = write(tmp_path, 1)
    with ready(models, tmp_path / "state") as server:
        write(tmp_path, 2)
        refused = server.command("load", "m/2", "--swap", code=1)
        assert "m/2: failed: " in refused, "there is no room for both"
        with loaded(server, 8.0) as records:
            told = server.command("load", "m/2", "--swap", "--old-first")
            assert "m/2: ready" in told
        for one in records:
            assert (one["answered"], one["errors"], one["dropped"]) == (one["due"], {}, 0)
            assert one["latency_ms"]["max"] > 500, "some have waited"
        assert set(rows(server)) == {2}
        assert answer(server) == 2.0
        assert whats(server)[-2:] == [
            "load 2 --swap --old-first",
            "split 2=100: ready now; unload 1",
        ]
        # The way back is the same, for there is no more room than before.
        server.command("undo", str(journal(server)[-1]["number"]))
        until(lambda: set(rows(server)) == {1} and whats(server)[-1].startswith("split 1=100"))
        assert answer(server) == 1.0


def test_where_the_new_one_fails_the_old_one_comes_back_and_answers_who_waited(
    tmp_path: Path,
) -> None:
    models = write(tmp_path, 1)
    with ready(models, tmp_path / "state") as server:
        # What is said in model.yaml need not be said in the command.
        write(tmp_path, 2, "raise RuntimeError('no weights')", "versions: {replace: old_first}")
        with loaded(server, 8.0) as records:
            told = server.command("load", "m/2", "--swap", code=1)
            assert "m/2: failed: " in told
            assert "RuntimeError: no weights" in told
        for one in records:
            assert (one["answered"], one["errors"], one["dropped"]) == (one["due"], {}, 0)
        assert answer(server) == 1.0
        until(lambda: set(rows(server)) == {1})
        asked, back, there = whats(server)[-3:]
        assert asked == "load 2 --swap --old-first"
        assert back.startswith("load 1 again: version 2 failed: RuntimeError: no weights")
        assert there.startswith("split 1=100: ready now; unload 2: version 2 failed")


def test_it_is_undone_while_it_goes_on(tmp_path: Path) -> None:
    models = write(tmp_path, 1)
    held = tmp_path / "room.held"
    with ready(models, tmp_path / "state") as server:
        write(tmp_path, 2)
        with loaded(server, 8.0) as records:
            held.touch()
            server.command("load", "m/2", "--swap", "--old-first", "--no-wait")
            until(lambda: rows(server).get(2, {}).get("state") == "loading")
            assert "has ended for version 2" in server.command("versions", "m")
            server.command("undo", str(journal(server)[-1]["number"]))
            held.unlink()
            until(lambda: set(rows(server)) == {1} and rows(server)[1]["state"] == "ready")
        for one in records:
            assert (one["answered"], one["errors"], one["dropped"]) == (one["due"], {}, 0)
        assert answer(server) == 1.0


def test_after_the_end_of_everything_in_the_midst_of_it_it_goes_on(tmp_path: Path) -> None:
    models = write(tmp_path, 1)
    held = tmp_path / "room.held"
    server = start(models, tmp_path / "state")
    try:
        server.wait_ready()
        write(tmp_path, 2)
        held.touch()
        server.command("load", "m/2", "--swap", "--old-first", "--no-wait")
        until(lambda: rows(server).get(2, {}).get("state") == "loading")
    finally:
        server.process.kill()
        server.process.wait()
    held.unlink()
    with ready(models, tmp_path / "state") as again:
        until(lambda: set(rows(again)) == {2} and rows(again)[2]["share_percent"] == 100)
        assert answer(again) == 2.0
        assert whats(again)[-1] == "split 2=100: ready now; unload 1"
