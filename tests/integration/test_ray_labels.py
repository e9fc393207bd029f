"""Labels that come to gateways on Ray, the one that serves and the one that follows it."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tests.feedback.messages import send
from tests.integration.conftest import Run, Serve, serving, until, write_model
from tests.integration.models import IDENTITY

from headrace.client import prediction_id, send_labels


def predicted(run: Run, library: Any) -> dict[str, Any]:
    x = library.InferInput("x", [1, 4], "FP32")
    x.set_data_from_numpy(np.array([[0, 1, 0, 0]], np.float32))
    with library.InferenceServerClient(
        run.http if library is tritonclient.http else run.grpc
    ) as one:
        return {"prediction_id": prediction_id(one.infer("m", [x])), "label": [1]}


def test_labels_come_to_whichever_gateway_serves(serve: Serve, tmp_path: Path) -> None:
    write_model(tmp_path, "m", IDENTITY.format(pause=0), "feedback: {output: y}\n")
    run = serve(tmp_path)
    first = [predicted(run, one) for one in (tritonclient.http, tritonclient.grpc)]
    assert send_labels(first[:1], f"http://{run.http}")["joined"] == 1
    told = send(run.grpc, first)
    assert (told.joined, told.twice) == (1, 1)
    until(lambda: len(run.pids("gateway")) == 2, 60, "one stands by")
    (gateway,) = serving(run)
    os.kill(gateway, signal.SIGKILL)
    until(lambda: run.answers("m"), 30, "the other one serves")
    # What another gateway answered is known to this one, and what was joined stays it.
    later = [predicted(run, tritonclient.http), *first]
    assert {
        one: count for one, count in send_labels(later, f"http://{run.http}").items() if count
    } == {
        "joined": 1,
        "twice": 2,
    }
    assert send(run.grpc, [predicted(run, tritonclient.grpc)]).joined == 1
    shown = run.get(f"{run.console}/api/feedback/m")["versions"]
    assert [(one["version"], one["predictions"], one["right"]) for one in shown] == [(1, 4, 4)]
