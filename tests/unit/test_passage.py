"""What is done with a batch, in which order, and when others may have the model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

from headrace.errors import DeviceLost, ModelBroken
from headrace.execution.device.host import Host, HostLane
from headrace.execution.device.regions import Part, Region
from headrace.execution.passage import OPEN, Passage, prepares
from headrace.execution.trial import MadeUpRows
from headrace.models import Batch, Model, Tensor

X, Y = Tensor("x", "FP32", [1]), Tensor("y", "FP32", [1])


class Plain(Model):
    inputs = (X,)
    outputs = (Y,)

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        self.said.append("predict")
        batch.tensor("x")
        return {"y": batch["x"]}


class Stages(Plain):
    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        self.said.append("prepare")
        return {"z": batch["x"]}

    def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
        self.said.append("finish")
        return outputs


class Recorder:
    """A lane and a gate that say what they are asked for."""

    is_apart = True

    def __init__(self, said: list[str], *, opens: bool = True, lost: bool = False) -> None:
        self.said, self.opens, self.lost = said, opens, lost

    @property
    def turn(self) -> AbstractContextManager[object]:
        return self.having_turn()

    @contextmanager
    def having_turn(self) -> Iterator[None]:
        self.said.append("turn")
        yield
        self.said.append("over")

    def using(self) -> AbstractContextManager[object]:
        return nullcontext()

    def upload(self, name: str, array: Any) -> Any:
        self.said.append(f"upload {name}")
        return array

    def follow(self) -> None:
        self.said.append("follow")

    def lead(self) -> None:
        self.said.append("lead")

    def fetch(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        self.said.append("fetch")
        return dict(outputs)

    def open(self, region: Region) -> Any:
        self.said.append("open")
        return region

    def gather(self, name: str, array: Any, parts: Sequence[Part]) -> Any:
        self.said.append(f"gather {name}")
        return array

    def write(self, value: Any, part: Part) -> int | None:
        self.said.append("write")
        return None

    def blank(self, value: Any) -> Any:
        self.said.append("blank")
        return value

    def wait(self) -> None:
        self.said.append("wait")
        if self.lost:
            raise DeviceLost("gone")

    def enter(self) -> bool:
        self.said.append("enter")
        return self.opens

    def launched(self) -> None:
        self.said.append("launched")

    def leave(self) -> None:
        self.said.append("leave")


def rows() -> MadeUpRows:
    return MadeUpRows(1, {"x": np.ones((1, 1), np.float32)})


def way(make: Callable[[list[str]], Model], times: int = 1, *, new: bool = False) -> list[str]:
    """What is said of the last of so many batches."""
    said: list[str] = []
    model = make(said)
    model.outputs_are_new = new
    at = Recorder(said)
    passage = Passage("m/1", model, at)
    for _ in range(times):
        said.clear()
        passage.run(rows(), at)
    return said


def test_a_batch_is_there_before_it_enters_and_others_enter_before_it_is_back() -> None:
    first = "wait enter turn follow predict upload x fetch lead over launched wait"
    assert " ".join(way(Plain)) == first
    second = "upload x wait enter turn follow predict fetch lead over launched wait"
    assert " ".join(way(Plain, 2)) == second, "what was asked for is brought before"


def test_new_outputs_are_fetched_behind_the_next_batch() -> None:
    assert way(Plain, new=True)[-5:] == ["lead", "fetch", "over", "launched", "wait"]


def test_who_is_done_with_the_device_leaves_before_the_batch_is_finished() -> None:
    said = way(Stages)
    assert said[:3] == ["prepare", "wait", "enter"]
    assert said[-6:] == ["launched", "wait", "leave", "finish", "fetch", "wait"]


def test_a_gate_that_stays_shut_keeps_the_batch_from_the_model() -> None:
    said: list[str] = []
    at = Recorder(said, opens=False)
    assert Passage("m/1", Stages(said), at).run(rows(), at) is None
    assert said == ["prepare", "wait", "enter"]


@pytest.mark.parametrize("method", ["prepare", "predict", "finish"])
def test_what_a_model_raises_comes_through_once_the_device_reads_nothing_any_more(
    method: str,
) -> None:
    class Raises(Stages):
        pass

    def raises(*_: Any) -> Any:
        raise ValueError(method)

    setattr(Raises, method, raises)
    said: list[str] = []
    at = Recorder(said)
    with pytest.raises(ValueError, match=method):
        Passage("m/1", Raises(said), at).run(rows(), at)
    assert said[-1] == "wait"
    if method == "predict":
        assert said[-3:] == ["follow", "lead", "wait"], "the next one follows what was begun"


def test_a_lost_device_is_told_whatever_the_model_says_of_it() -> None:
    class Raises(Plain):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            at.lost = True
            raise ValueError("CUDA error")

    said: list[str] = []
    at = Recorder(said)
    with pytest.raises(DeviceLost, match="gone") as told:
        Passage("m/1", Raises(said), at).run(rows(), at)
    assert isinstance(told.value.__context__, ValueError)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("prepare", r"prepare\(\) should return a dict of input name to array, not list"),
        ("predict", r"predict\(\) should return a dict of output name to array, not list"),
        ("finish", r"finish\(\) should return a dict of output name to array, not list"),
    ],
)
def test_each_stage_returns_a_mapping(method: str, told: str) -> None:
    class Wrong(Stages):
        pass

    setattr(Wrong, method, lambda *_: [])
    with pytest.raises(ModelBroken, match=told):
        Passage("m/1", Wrong([]), HostLane()).run(rows(), OPEN)


class Device(Host):
    is_apart = True


@pytest.mark.parametrize(
    ("make", "device", "lanes", "concurrency", "ahead"),
    [
        (Plain, Host(), 2, 1, False),
        (Plain, Device(), 2, 1, True),
        (Plain, Device(), 1, 1, False),
        (Stages, Host(), 2, 1, True),
        (Stages, Host(), 1, 1, False),
        (Stages, Host(), 2, 2, False),
        (Stages, Host(), 3, 2, True),
    ],
)
def test_lanes_get_batches_early_where_there_is_something_to_do_with_them(
    make: Callable[[list[str]], Model], device: Host, lanes: int, concurrency: int, ahead: bool
) -> None:
    model = make([])
    model.concurrency = concurrency
    assert prepares(model, device, lanes) is ahead
