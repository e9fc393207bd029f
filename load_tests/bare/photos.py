#!/usr/bin/env python3
"""Compare `examples/photos` behind `headrace serve --engine local` with a bare loop over it.

Both decode the same photo, run the same network and name the classes, with the same threads, in
turns; the loop has its batches ready, the server makes them of gRPC requests of one photo. Needs
h2load, and the extras `photos` and `test`.

    load_tests/bare/photos.py
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from served import framed, in_turns, loaded, served
from tritonclient.grpc import service_pb2

from headrace.execution import threads
from headrace.execution.device.host import HostLane
from headrace.execution.elements import Elements
from headrace.execution.opening import context, open_model
from headrace.execution.passage import OPEN, Passage
from headrace.execution.trial import MadeUpRows
from headrace.repository.folder import find

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "photos"


def message(photo: bytes) -> bytes:
    """Return a request for one photo as gRPC frames it."""
    request = service_pb2.ModelInferRequest(model_name="photos")
    request.inputs.add(name="image", datatype="BYTES", shape=[1, 1])
    request.raw_input_contents.append(len(photo).to_bytes(4, "little") + photo)
    return framed(request.SerializeToString())


def bare(model: Any, photo: bytes, rows: int, seconds: float) -> float:
    """Return the photos a second of a loop over full batches."""
    began = time.perf_counter()
    runs, passage = 0, Passage("photos/1", model, HostLane())
    with torch.inference_mode():
        while time.perf_counter() - began < seconds:
            made_up = MadeUpRows(rows, {"image": Elements([photo] * rows, (rows, 1))})
            passage.run(made_up, OPEN)
            runs += 1
    return runs * rows / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_670, help="the first of four")
    asked = parser.parse_args()
    share = threads.plan(threads.cpus(), [threads.Lanes("photos/1", 1)]).share
    threads.use(share, share)
    photo = (EXAMPLE / "cat.jpg").read_bytes()
    (version,) = find(EXAMPLE)
    model = open_model(version)
    model.load(context(version))
    with tempfile.TemporaryDirectory() as scratch:
        body = Path(scratch) / "request"
        body.write_bytes(message(photo))
        with served(EXAMPLE, asked.port, Path(scratch) / "state"):
            rows = version.config.batching.max_rows
            in_turns(
                asked.rounds,
                lambda: bare(model, photo, rows, asked.seconds),
                lambda: loaded(asked.port + 1, body, asked.in_flight, asked.seconds),
                "photos",
            )


if __name__ == "__main__":
    main()
