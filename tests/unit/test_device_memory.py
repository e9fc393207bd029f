"""What versions take of a GPU, and who may have more."""

import gc
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import fake_driver
from tests.fake_driver import MIB, Memory
from tests.unit.test_runner import ClosedHost

from headrace.config.schema import ModelConfig
from headrace.execution.memory.admission import Gpu
from headrace.execution.memory.ledger import Ledger
from headrace.execution.memory.reckoning import Each, OnGpu, key
from headrace.execution.runner import Runner
from headrace.execution.voices import Line
from headrace.models.lifecycle import State
from headrace.repository.folder import Version, find

WriteModel = Callable[..., Path]
GIB = 1 << 30

SOURCE = """
from tests.fake_driver import GPU, MIB
from headrace import Batch, Context, Model, Tensor

class Taker(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]

    def load(self, context: Context) -> None:
        self.label = f"{context.model}/{context.version}"
        self.parameters = context.parameters
        GPU.take(self.label, self.parameters["weights"] * MIB)
        if self.parameters.get("raises"):
            raise RuntimeError("no such file")

    def predict(self, batch: Batch):
        more = self.parameters["row"] * batch.rows
        GPU.take(self.label, (self.parameters["weights"] + more) * MIB)
        return {"y": batch["x"] * 2}

    def __del__(self):
        GPU.give_back(getattr(self, "label", ""))
"""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(fake_driver, "GPU", made)
    return made


class Loads:
    """Runs versions whose memory is on the stand-in for a GPU."""

    def __init__(self, tmp_path: Path, write_model: WriteModel, gpu: Memory) -> None:
        self.folder, self.write, self.gpu = tmp_path / "cache", write_model, gpu
        self.ledger = Ledger(self.folder / "devices.sqlite")
        self.lines: list[Line] = []

    def runner(self, name: str = "m", gpus: float = 1, rows: int = 8, **parameters: Any) -> Runner:
        given = {"weights": 1000, "row": 10, **parameters}
        yaml = f"batching: {{max_rows: {rows}}}\nparameters: {given}\n".replace("'", "")
        folder = self.write(name, source=SOURCE, yaml=yaml)
        (version,) = [one for one in find(folder) if one.model == name]
        return self.of(version, gpus)

    def of(self, version: Version, gpus: float) -> Runner:
        runner = Runner(version, ClosedHost(), self.lines.append, lambda moved: None, threads=1)
        runner.memory = OnGpu(placed(version, gpus=gpus), self.gpu.read, self.ledger, self.say)
        return runner

    def say(self, text: str) -> None:
        self.lines.append(Line(0, "m/1", "log", text))

    def said(self) -> str:
        return "\n".join(one.text for one in self.lines)

    def held(self) -> dict[str, int]:
        return {one.label: one.bytes // MIB for one in self.ledger.claims(self.gpu.uuid)}


def placed(version: Version, **placement: Any) -> Version:
    """The version as its model.yaml would have it with a GPU."""
    there = version.config.placement.model_copy(update=placement)
    return replace(version, config=version.config.model_copy(update={"placement": there}))


@pytest.fixture(autouse=True)
def _without_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is to outlive the machine, and a busy disk takes its time for each write."""
    connect = sqlite3.connect

    def connected(*given: Any, **how: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*given, **how)
        database.execute("PRAGMA synchronous = OFF")
        return database

    monkeypatch.setattr(sqlite3, "connect", connected)


@pytest.fixture
def loads(tmp_path: Path, write_model: WriteModel, gpu: Memory) -> Loads:
    return Loads(tmp_path, write_model, gpu)


def test_what_a_version_took_as_it_warmed_up_is_its_own_until_it_ends(loads: Loads) -> None:
    runner = loads.runner()
    assert runner.start()
    assert loads.held() == {"m/1": 1080}
    assert "takes 1.1 GiB of GPU-1" in loads.said()
    assert runner.stop(10)
    assert loads.held() == {}


def test_what_was_measured_before_is_asked_for_and_refused_before_it_is_taken(
    loads: Loads,
) -> None:
    first = loads.runner(weights=9000, row=100)
    assert first.start()
    assert first.stop(10)
    loads.gpu.taken.clear()
    loads.gpu.take("somebody", 8000 * MIB)
    second = loads.of(first.version, 1)
    assert not second.start()
    assert (
        "m/1 takes 9.6 GiB of GPU-1 (measured here before, for batches of 8 rows), and 7.8 GiB of "
        "15.6 GiB are free: other programs 7.8 GiB has the rest"
    ) in second.standing.reason
    assert "m/1" not in loads.gpu.taken, "it was not loaded"
    assert loads.held() == {}


def test_a_larger_batch_is_predicted_from_smaller_ones(loads: Loads) -> None:
    first = loads.runner(weights=9000, row=100, rows=8)
    assert first.start()
    assert first.stop(10)
    batching = first.version.config.batching.model_copy(update={"max_rows": 64})
    config = first.version.config.model_copy(update={"batching": batching})
    second = loads.of(replace(first.version, config=config), 1)
    loads.gpu.take("somebody", 2000 * MIB)
    assert not second.start()
    assert "takes 15.0 GiB of GPU-1 (measured here before, for batches of 64 rows)" in (
        second.standing.reason
    )


def test_a_prediction_that_was_wrong_is_told(loads: Loads) -> None:
    first = loads.runner(weights=1000, row=100)
    assert first.start()
    assert first.stop(10)
    name = key(placed(first.version, gpus=1), loads.gpu.read())
    assert loads.ledger.footprint(name) == {1: 1100 * MIB, 8: 1800 * MIB}
    loads.ledger.keep(name, {1: 100 * MIB, 8: 100 * MIB}, 1)
    assert "and not" not in loads.said()
    again = loads.of(first.version, 1)
    assert again.start()
    assert "takes 1.8 GiB of GPU-1, and not 100 MiB (measured here before" in loads.said()
    assert again.stop(10)


def test_what_a_neighbour_gives_back_meanwhile_makes_no_version_smaller(loads: Loads) -> None:
    def reckoned(name: str, takes: int) -> OnGpu:
        version = placed(loads.runner(name).version, gpus=1)
        found = OnGpu(version, loads.gpu.read, loads.ledger, loads.say)
        found.admit()
        loads.gpu.take(f"{name}/1", takes * MIB)
        return found

    neighbour = reckoned("neighbour", 2000)
    neighbour.ran(8)
    neighbour.settle()
    other = reckoned("other", 1000)
    loads.gpu.give_back("neighbour/1")
    neighbour.release()
    other.ran(8)
    other.settle()
    assert loads.held() == {"other/1": 1000}


def test_what_is_declared_counts_before_anything_was_measured(loads: Loads) -> None:
    runner = loads.runner()
    version = placed(runner.version, gpus=1, device_memory_mib=20_000)
    runner.memory = OnGpu(version, loads.gpu.read, loads.ledger, loads.say)
    assert not runner.start()
    assert "m/1 takes 19.5 GiB of GPU-1 (placement.device_memory_mib)" in runner.standing.reason


def test_who_takes_more_than_its_share_does_not_stay(loads: Loads) -> None:
    runner = loads.runner(gpus=0.05)
    assert not runner.start()
    assert "took 1.1 GiB of GPU-1 as it warmed up, and placement.gpus 0.05 is 800 MiB" in (
        runner.standing.reason
    )
    assert loads.held() == {}


def test_one_that_fails_to_load_holds_nothing_and_keeps_nobody_waiting(loads: Loads) -> None:
    assert not loads.runner(raises=1).start()
    assert loads.held() == {}
    runner = loads.runner("n")
    assert runner.start()
    assert runner.stop(10)


def test_a_hundred_loads_leave_nothing_behind(loads: Loads) -> None:
    """Resident memory may grow by what caches of an interpreter grow: below 20 KiB a load."""
    runner = loads.runner()
    version = runner.version
    del runner
    counts = []
    gc.freeze()  # what is there before is not looked through a hundred times
    for turn in range(100):
        runner = loads.of(version, 1)
        assert runner.start()
        assert loads.held() == {"m/1": 1080}
        assert runner.stop(10)
        assert runner.standing.state is State.GONE
        del runner
        loads.lines.clear()
        gc.collect()
        assert loads.gpu.taken == {}, "the model is gone, and its memory with it"
        if turn % 50 == 49:
            counts.append((threading.active_count(), len(os.listdir("/proc/self/fd")), resident()))  # noqa: PTH208
    gc.unfreeze()
    (threads, files, before), (threads_after, files_after, after) = counts
    # Of others in this process some may end meanwhile.
    assert threads_after <= threads
    assert files_after <= files
    assert after - before < 50 * 20 * 1024
    assert loads.held() == {}


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_of_several_gpus_each_is_claimed_and_given_back(loads: Loads) -> None:
    second = Memory(uuid="GPU-2")
    runner = loads.runner(gpus=2)
    version = placed(runner.version, gpus=2)
    runner.memory = Each(
        [OnGpu(version, gpu.read, loads.ledger, loads.say) for gpu in (loads.gpu, second)]
    )
    assert runner.start()
    held = [[one.label for one in loads.ledger.claims(uuid)] for uuid in ("GPU-1", "GPU-2")]
    assert held == [["m/1"], ["m/1"]]
    assert runner.stop(10)
    assert loads.ledger.claims("GPU-2") == []


def test_what_decides_what_a_version_takes_is_in_its_key(write_model: WriteModel) -> None:
    (version,) = find(write_model())
    gpu = Gpu("GPU-1", 16 * GIB, 0)

    def with_(**config: Any) -> Version:
        return replace(version, config=ModelConfig.model_validate(config))

    same = key(version, gpu)
    assert key(with_(batching={"max_rows": 3}), replace(gpu, uuid="GPU-2")) == same
    others = {
        key(version, replace(gpu, total_bytes=GIB)),
        key(with_(parameters={"a": 1}), gpu),
        key(with_(placement={"lanes": 2}), gpu),
    }
    (version.folder / "weights").write_bytes(b"1")
    others.add(key(version, gpu))
    assert len({same, *others}) == 5
