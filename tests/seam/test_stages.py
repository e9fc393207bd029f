"""What a lane does with its batch while the model has another one."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from tests.seam.lanes import Carry, Meeting, ask_two
from tritonclient.utils import InferenceServerException

from headrace.execution.device.host import Host
from headrace.models import Batch, Model, Tensor

X, Y = Tensor("x", "FP32", [-1]), Tensor("y", "FP32", [-1])


class Stages(Model):
    """Text to numbers and back, around a model that runs one batch at a time."""

    inputs = (X,)
    outputs = (Y,)

    def __init__(self) -> None:
        self.meeting = Meeting()
        self.in_predict = threading.Lock()

    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        if batch["x"][0, 0] < 0:
            raise ValueError("nothing to prepare")
        self.meeting.come("prepare")
        return {"more": batch["x"] + 1}

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        assert self.in_predict.acquire(blocking=False), "another batch is in the model"
        self.meeting.come("predict")
        x = batch["more"] * 2
        self.in_predict.release()
        return {"twice": x}

    def finish(self, outputs: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
        self.meeting.come("finish")
        return {"y": outputs["twice"] - 2}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_prepared_reaches_the_model_and_what_is_finished_its_callers(
    carry: Carry, count: int
) -> None:
    carry(Stages(), Host(), count)
    assert carry.ask_many(8, 25) == 200
    with pytest.raises(InferenceServerException, match="raised ValueError: nothing to prepare"):
        carry.rig.ask(np.full((1, 1), -1, np.float32))
    assert carry.ask_many(2, 2) == 4


@pytest.mark.parametrize("turns", [{"prepare": 2, "predict": 1}, {"finish": 1, "predict": 2}])
def test_a_stage_of_one_batch_and_the_model_with_another_are_at_work_at_once(
    carry: Carry, turns: dict[str, int]
) -> None:
    model = Stages()
    carry(model, Host(), 2)
    assert carry.ask_many(1, 1) == 1
    model.meeting = Meeting(**turns)
    ask_two(carry)
