"""Versions that are loaded, swapped and unloaded on Ray while requests come."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import START_S, Run, Serve, alive, until, write_model
from tests.integration.load import Load, load
from tests.integration.models import BROKEN, IDENTITY

SHARED = "placement: {isolation: shared}\n"
#: Of what takes a new process on a busy machine.
SOON_S = 60.0
#: What callers send, and no warm-up does.
HELD = 7.25


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, yaml in (("own", ""), ("one", SHARED), ("other", SHARED)):
        write_model(folder, name, IDENTITY.format(pause=0), yaml)
    write_model(folder, "waits", waiting(folder))
    return folder


def gate(models: Path) -> str:
    """A file beside the models."""
    return f"{models}.gate"


def waiting(models: Path) -> str:
    """A model that answers `HELD` only once the gate is there."""
    until_then = f'while batch["x"][0, 0] == {HELD} and not os.path.exists({gate(models)!r}):'
    source = IDENTITY.format(pause=0)
    return source.replace("time.sleep(0)", f"{until_then} time.sleep(0.05)")


@pytest.fixture(scope="module")
def run(serve: Serve, models: Path) -> Run:
    return serve(models)


def rows(run: Run, model: str) -> dict[int, Any]:
    """What is carried of a model, by version."""
    found = [one["versions"] for one in run.status()["models"] if one["name"] == model]
    return {one["version"]: one for one in (found[0] if found else [])}


def shares(run: Run, model: str) -> dict[int, float]:
    return {number: row["share_percent"] for number, row in rows(run, model).items()}


@contextmanager
def loads(run: Run, model: str) -> Iterator[list[Load]]:
    """Callers over both protocols, all of which have to be answered rightly."""
    with load(run, model, "http", value=1.0) as one, load(run, model, "grpc", value=2.0) as other:
        yield [one, other]
    for calls in (one, other):
        assert set(calls.ended) == {"right"}, calls.ended


def test_versions_are_loaded_swapped_and_unloaded_and_nobody_notices(
    run: Run, models: Path
) -> None:
    with loads(run, "own") as both:
        for number in (2, 3, 4):
            write_model(models, "own", IDENTITY.format(pause=0), version=number)
            before = set(run.pids(f"own/{number - 1}"))
            calls = sum(len(one.calls) for one in both)
            told = run.command("load", f"own/{number}", "--swap", "--why", "newer")
            assert f"own/{number}: ready" in told
            until(lambda: set(rows(run, "own")) == {number}, SOON_S, "the old one is gone")  # noqa: B023
            until(lambda: not alive(before), SOON_S, "and its process with it")  # noqa: B023
            assert shares(run, "own") == {number: 100.0}
            assert sum(len(one.calls) for one in both) > calls
    journal = run.command("journal", "own")
    assert "load 4 --swap" in journal
    assert "split 4=100: ready now; unload 3" in journal


def test_a_version_beside_others_gets_no_traffic_but_what_is_given_to_it(
    run: Run, models: Path
) -> None:
    with loads(run, "own"):
        write_model(models, "own", IDENTITY.format(pause=0), version=5)
        run.command("load", "own/5")
        assert shares(run, "own") == {4: 100.0, 5: 0.0}
        assert "own/next is version 5" in run.command("alias", "own", "next", "5")
        until(lambda: run.infer("own/versions/next", 1.0)[0] == 200, SOON_S, "gateways know it")
        assert "the alias next leads to version 5" in run.command("unload", "own/5", code=1)
        run.command("alias", "own", "next", "--remove")
        run.command("split", "own", "4=75", "5=25")
        until(lambda: shares(run, "own") == {4: 75.0, 5: 25.0}, SOON_S, "the gateway has it")
        told = run.command("unload", "own/4", code=1)
        assert "version 4 has 75 % of the traffic: move that first" in told
        run.command("undo", run.command("journal", "own", "-n", "1").split()[6])
        until(lambda: shares(run, "own") == {4: 100.0, 5: 0.0}, SOON_S, "it is as it was")
        run.command("unload", "own/5")
        until(lambda: set(rows(run, "own")) == {4}, SOON_S, "it is gone")
    until(lambda: run.infer("own/versions/5", 1.0)[0] == 404, SOON_S, "gateways forget it")


def test_one_that_cannot_be_loaded_leaves_what_serves_untouched_and_says_why(
    run: Run, models: Path
) -> None:
    write_model(models, "own", BROKEN, version=6)
    with loads(run, "own"):
        told = run.command("load", "own/6", "--swap", code=1)
        assert "own/6: failed: " in told
        assert "the weights are gone" in told
        until(lambda: "pending" not in run.command("versions", "own"), SOON_S, "given up")
        assert shares(run, "own")[4] == 100.0
        (models / "own" / "6" / "model.py").write_text(
            (models / "own" / "4" / "model.py").read_text()
        )
        assert "own/6: ready" in run.command("load", "own/6")
    run.command("unload", "own/6")
    until(lambda: set(rows(run, "own")) == {4}, SOON_S, "it is gone")


def test_what_was_accepted_is_answered_before_its_version_ends(run: Run, models: Path) -> None:
    write_model(models, "waits", waiting(models), version=2)
    answered: list[int] = []
    caller = threading.Thread(
        target=lambda: answered.append(run.infer("waits", HELD, timeout_s=START_S)[0])
    )
    caller.start()
    until(lambda: run.accepted("waits") == 1, SOON_S, "it is accepted")
    run.command("load", "waits/2", "--swap")
    until(lambda: rows(run, "waits")[1]["state"] == "draining", SOON_S, "the old one is to end")
    # It stands so before each gateway has the table: who comes meanwhile still waits for the gate.
    until(lambda: run.answers("waits", timeout_s=3), SOON_S, "the new one answers")
    assert not answered
    Path(gate(models)).touch()
    caller.join(SOON_S)
    assert answered == [200]
    until(lambda: set(rows(run, "waits")) == {2}, SOON_S, "it is gone")


def test_a_version_joins_a_process_that_runs_and_leaves_it_while_others_go_on(
    run: Run, models: Path
) -> None:
    (pid,) = run.pids("shared")
    with loads(run, "other"):
        write_model(models, "one", IDENTITY.format(pause=0), SHARED, version=2)
        run.command("load", "one/2", "--swap")
        until(lambda: set(rows(run, "one")) == {2}, SOON_S, "the old one is gone")
        assert run.answers("one")
        assert run.pids("shared") == [pid]
    os.kill(pid, signal.SIGKILL)
    until(lambda: run.pids("shared") not in ([], [pid]), SOON_S, "another process is there")
    until(lambda: run.answers("one") and run.answers("other"), SOON_S, "all answer")
    assert set(rows(run, "one")) == {2}, "who left does not come back with the next process"
    for name in ("one", "other"):
        run.command("unload", name)
    until(lambda: not run.pids("shared"), SOON_S, "with the last one the process goes")
    until(lambda: run.infer("one", 1.0)[0] == 404, SOON_S, "gateways forget it")
    run.command("load", "one")
    assert run.answers("one")


def test_a_model_that_nobody_knew_is_loaded_from_its_folder(run: Run, models: Path) -> None:
    write_model(models, "new", IDENTITY.format(pause=0))
    run.command("load", "new")
    until(lambda: shares(run, "new") == {1: 100.0}, SOON_S, "its only version has all traffic")
    assert run.answers("new")


def test_a_host_that_is_replaced_serves_the_files_that_were_loaded_or_none(
    run: Run, models: Path
) -> None:
    file = models / "new" / "1" / "model.py"
    loaded = file.read_text()
    file.write_text(loaded + "# changed\n")
    (pid,) = run.pids("new/1")
    os.kill(pid, signal.SIGKILL)
    until(lambda: rows(run, "new")[1]["state"] == "failed", SOON_S, "the next one says no")
    assert "have changed since it was loaded" in rows(run, "new")[1]["reason"]
    assert "new/1: ready" in run.command("load", "new/1")
    assert run.answers("new")


def killed(run: Run) -> None:
    processes = run.below()
    run.process.kill()
    run.process.wait()
    until(lambda: not alive(processes), SOON_S, "everything is gone")


def test_the_same_command_brings_everything_back_after_the_end_of_everything(
    serve: Serve, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for number in (1, 2, 3):
        write_model(models, "own", IDENTITY.format(pause=0), version=number)
    run = serve(models)
    run.command("split", "own", "1=60", "2=40")
    run.command("unload", "own/3")
    until(lambda: set(rows(run, "own")) == {1, 2}, SOON_S, "it is gone")
    entries = json.loads(run.command("journal", "--json", "-n", "1"))
    killed(run)
    write_model(models, "own", IDENTITY.format(pause=0), version=4)
    again = serve(models, state=run.state)
    until(lambda: shares(again, "own") == {1: 60.0, 2: 40.0, 4: 0.0}, START_S, "as it was")
    last = json.loads(again.command("journal", "--json", "-n", "1"))
    assert (last["number"], last["what"]) == (entries["number"] + 1, "start: found 4")
