"""What takes the place of what on Ray: versions without room for both, and processes kept ready."""

from pathlib import Path

import pytest
from tests.integration.conftest import START_S, Run, Serve, until, write_model
from tests.integration.models import IDENTITY
from tests.integration.test_ray_lifecycle import SOON_S, killed, loads, rows, shares

#: What callers send, and no warm-up does.
HELD = 7.25


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "own", IDENTITY.format(pause=0))
    return folder


@pytest.fixture(scope="module")
def run(serve: Serve, models: Path) -> Run:
    return serve(models)


def test_the_next_host_is_a_process_that_was_ready_for_it(run: Run, models: Path) -> None:
    # Until then a process that waits may become the second gateway.
    until(lambda: len(run.pids("gateway")) == 2, SOON_S, "one serves and one stands by")
    for number in (1, 2):
        until(lambda: run.named("ray::IDLE"), SOON_S, "one waits")
        before = run.below()
        write_model(models, "spared", IDENTITY.format(pause=0), version=number)
        run.command("load", f"spared/{number}")
        assert set(run.pids(f"spared/{number}")) <= before
    until(lambda: run.named("ray::IDLE"), SOON_S, "another one waits")
    run.command("unload", "spared")


#: Says what it was given first.
SAYS = """
    from headrace import Model, Tensor
    class Says(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]
        def predict(self, batch):
            print("given", batch["x"][0, 0], flush=True)
            return {"y": batch["x"]}
"""


def test_what_callers_sent_warms_up_the_next_version(run: Run, models: Path) -> None:
    write_model(models, "says", SAYS, "recording: {}")
    run.command("load", "says")
    until(lambda: run.infer("says", HELD)[0] == 200, SOON_S, "it answers")
    kept = run.state / "recorded" / "says"
    until(lambda: list(kept.glob("*.npz")), SOON_S, "it is kept")
    write_model(models, "says", SAYS, "recording: {}", version=2)
    run.command("load", "says/2")
    assert f"given {HELD}" in run.command("logs", "says/2")


#: Takes the only room there is, for as long as its process lives.
ONLY_ROOM = """
    import fcntl
    from headrace import Model, Tensor
    class Alone(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]
        def load(self, context):
            self.room = open({room!r}, "w")
            fcntl.flock(self.room, fcntl.LOCK_EX | fcntl.LOCK_NB)
            {then}
        def predict(self, batch):
            return {{"y": batch["x"]}}
"""


def test_without_room_for_both_the_old_one_ends_first_and_nobody_notices(
    run: Run, models: Path
) -> None:
    def write(number: int, then: str = "") -> None:
        source = ONLY_ROOM.format(room=f"{models}.room", then=then)
        write_model(models, "alone", source, version=number)

    write(1)
    run.command("load", "alone")
    until(lambda: shares(run, "alone") == {1: 100.0}, SOON_S, "it has the traffic")
    write(2)
    write(3, "raise RuntimeError('no weights')")
    with loads(run, "alone"):
        assert "alone/2: failed: " in run.command("load", "alone/2", "--swap", code=1)
        told = run.command("load", "alone/2", "--swap", "--old-first")
        assert "alone/2: ready" in told
        until(lambda: shares(run, "alone") == {2: 100.0}, SOON_S, "it has the traffic")
        told = run.command("load", "alone/3", "--swap", "--old-first", code=1)
        assert "no weights" in told
        until(lambda: shares(run, "alone") == {2: 100.0}, SOON_S, "the old one is there again")
    journal = run.command("journal", "alone")
    assert "split 2=100: ready now; unload 1" in journal
    assert "load 2 again: version 3 failed: " in journal


def test_after_the_end_of_everything_in_the_midst_of_it_the_new_one_comes(
    serve: Serve, tmp_path: Path
) -> None:
    models, held = tmp_path / "models", tmp_path / "held"
    waits = f"__import__('os').path.exists({str(held)!r}) and __import__('time').sleep(3600)"

    def write(number: int) -> None:
        source = ONLY_ROOM.format(room=str(tmp_path / "room"), then=waits)
        write_model(models, "alone", source, version=number)

    write(1)
    run = serve(models)
    write(2)
    held.touch()
    run.command("load", "alone/2", "--swap", "--old-first", "--no-wait")
    until(lambda: rows(run, "alone").get(2, {}).get("state") == "loading", SOON_S, "it begins")
    killed(run)
    held.unlink()
    again = serve(models, state=run.state)
    until(lambda: shares(again, "alone") == {2: 100.0}, START_S, "it goes on")
    assert again.answers("alone")
    assert "split 2=100: ready now; unload 1" in again.command("journal", "alone")
