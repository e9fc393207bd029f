"""Labels that come later, of what callers of a real server were answered."""

from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tests.feedback.promise import arms, call, halve, label, write_models
from tests.local.conftest import LocalServer, ready

from headrace.client import prediction_id, send_labels

CLIENTS: tuple[Any, ...] = (tritonclient.http, tritonclient.grpc)


def _label(server: LocalServer, library: Any) -> dict[str, Any]:
    """Return a label of what a client of Triton's was answered, which shows it no headers."""
    x = library.InferInput("x", [1, 4], "FP32")
    x.set_data_from_numpy(np.zeros((1, 4), np.float32))
    address = server.http if library is tritonclient.http else server.grpc
    with library.InferenceServerClient(address) as client:
        for _ in range(100):  # not every answer is in the sample
            if (found := prediction_id(client.infer("m", [x]))) is not None:
                return {"prediction_id": found, "label": 0}
    raise AssertionError("no answer had an id")


def test_accuracy_is_exact_whatever_labels_come_with_the_genuine_ones(tmp_path: Path) -> None:
    with ready(write_models(tmp_path / "models"), tmp_path / "state") as server:
        halve(server)
        answered = call(server, 600, seed=1)
        told = label(server, answered, seed=1)
        labelled = [send_labels([_label(server, one)], server.console) for one in CLIENTS]
    assert [one["joined"] for one in labelled] == [1, 1]
    assert told.outcomes == told.expected["outcomes"]
    assert arms(told.shown) == told.expected["arms"]
    assert {one.version for one in answered} == {1, 2}
    has_id = sum(one.prediction_id is not None for one in answered)
    assert 300 < has_id < 600
    # Some 50 bytes of each, and what SQLite keeps beside it.
    assert told.disk_bytes < 6 << 20
