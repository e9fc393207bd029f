"""A batch that is not settled in time is answered for, and settled no more."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import headrace_core
import numpy as np
import pytest
import tritonclient.utils

ONE = np.ones((1, 2), np.float32)


def test_a_batch_that_was_given_up_is_settled_for_whoever_still_has_it(rig: Any) -> None:
    go_on = threading.Event()
    late: list[str | None] = []
    raised: list[str] = []

    def work(batch: headrace_core.Batch) -> None:
        go_on.wait(60)
        for ask in (batch.live, lambda: batch.parameters, lambda: batch.reject(0, "late")):
            with pytest.raises(ValueError, match="the batch is settled"):
                ask()
            raised.append("settled")
        assert batch.inputs["x"].tolist() == ONE.tolist(), "what it looks at stays"
        late.append(batch.complete({"y": batch.inputs["x"]}))

    rig.open(work, hang_timeout_s=0.2)
    with pytest.raises(tritonclient.utils.InferenceServerException) as told:
        rig.ask(ONE)
    assert told.value.status() == "StatusCode.INTERNAL"
    assert "did not return a batch within 0.2 s" in str(told.value.message())
    report = json.loads(rig.host.next_hang())
    assert report == {"model": "m", "version": 1, "rows": 1, "limit_s": 0.2}
    assert json.loads(rig.host.stats())["versions"] == [], "it takes no more"
    go_on.set()
    rig._lanes[0].join(60)
    assert len(raised) == 3
    assert "its callers were not waiting any more" in str(late[0])


@pytest.mark.parametrize("concurrency", [1, 2])
def test_the_model_has_as_many_batches_as_it_is_safe_for(rig: Any, concurrency: int) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def work(batch: headrace_core.Batch) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.002)
        with lock:
            inside -= 1
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work, lanes=4, concurrency=concurrency, batching={"max_rows": 1})
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: rig.ask(ONE).tolist(), range(200)))
    assert answers == [ONE.tolist()] * 200
    assert most == concurrency


def test_a_limit_of_time_that_is_none_is_refused(rig: Any) -> None:
    with pytest.raises(ValueError, match="hang_timeout_s=-1"):
        rig.open(None, hang_timeout_s=-1.0)
