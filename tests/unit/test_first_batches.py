"""Each lane runs a batch of its own before any has a caller's."""

import threading
from pathlib import Path

import pytest
from tests.unit.conftest import WriteModel
from tests.unit.test_runner import ClosedHost

from headrace.execution.device.host import HostLane
from headrace.execution.first_batches import FirstBatches
from headrace.execution.runner import Runner
from headrace.execution.voices import Line
from headrace.models.lifecycle import Standing
from headrace.repository.folder import find

LANES = ["m/1 lane 0", "m/1 lane 1"]

#: Says by which thread it is run, with how many rows.
TOLD = """
import threading
from headrace import Model, Tensor

class Told(Model):
    inputs = (Tensor("x", "FP32", (2,)),)
    outputs = (Tensor("y", "FP32", (2,)),)
    concurrency = 1
    def load(self, context):
        self.rows = context.folder.parent.parent.parent / "ran"
    def predict(self, batch):
        name = threading.current_thread().name
        with self.rows.open("a") as file:
            print(len(batch["x"]), name, file=file)
        {more}
        return {{"y": batch["x"]}}
"""


class Watched(ClosedHost):
    """A host that hears which lane asks for a caller's batch, and what had run by then."""

    def __init__(self, ran: Path) -> None:
        super().__init__()
        self.ran = ran
        self.asked: dict[str, list[str]] = {}

    def next_batch(self, lane: int) -> None:
        self.asked[threading.current_thread().name] = self.ran.read_text().splitlines()


def stand(
    write_model: WriteModel, more: str = "", warm: str = ""
) -> tuple[list[str], Watched, list[Line]]:
    yaml = f"batching: {{max_rows: 4}}\nplacement: {{lanes: 2}}\n{warm}"
    models = write_model("m", source=TOLD.format(more=more), yaml=yaml)
    host = Watched(models.parent / "ran")
    moves: list[Standing] = []
    lines: list[Line] = []
    runner = Runner(find(models)[0], host, lines.append, moves.append, threads=1)
    runner.start()
    states = [one.state.value for one in moves]
    runner.stop(60)
    return states, host, lines


def test_every_lane_has_run_a_batch_before_one_has_a_callers(write_model: WriteModel) -> None:
    states, host, _ = stand(write_model)
    assert states == ["loading", "warming", "ready"]
    own = threading.current_thread().name
    ran = [f"1 {own}", f"4 {own}", *(f"1 {lane}" for lane in LANES)]
    assert {lane: sorted(asked) for lane, asked in host.asked.items()} == dict.fromkeys(
        LANES, sorted(ran)
    )


def test_what_it_raises_is_said_and_the_version_serves(write_model: WriteModel) -> None:
    states, host, lines = stand(write_model, more='if "lane" in name: raise SystemExit("not here")')
    assert states[-1] == "ready"
    said = [one.text for one in lines if "lane's first" in one.text]
    assert said == ["a lane's first batch raised SystemExit: not here; serving all the same"] * len(
        LANES
    )
    assert sorted(host.asked) == LANES


@pytest.mark.parametrize(
    ("more", "warm"),
    [('raise ValueError("not with 0 and 1")', ""), ("", "warmup: {max_s: 1.0e-9}")],
    ids=["none went well", "its time is over"],
)
def test_none_is_run_where_there_is_none_that_went_well_or_no_time(
    write_model: WriteModel, more: str, warm: str
) -> None:
    states, host, _ = stand(write_model, more, warm)
    assert states[-1] == "ready"
    assert sorted(host.asked) == LANES
    (ran,) = {tuple(ran) for ran in host.asked.values()}
    assert not any("lane" in one for one in ran)


def test_a_lane_that_ends_before_its_own_is_not_waited_for() -> None:
    ran: list[str] = []
    first = FirstBatches(2, lambda lane: ran.append("one"), ran.append)
    other = threading.Thread(target=first.take_part, args=(HostLane(),))
    other.start()
    first.leave()
    first.wait()
    other.join(60)
    assert not other.is_alive()
    assert ran == ["one"]
