#!/usr/bin/env python3
"""Compare an ONNX model behind `headrace serve --engine local` with a bare loop over its session.

Both run the same perceptron with the same threads, in turns; the loop has its batches ready, the
server makes them of gRPC requests. What the loop would do in the time is the most that a server
can. Needs h2load, and the extras `onnx` and `test`.

    load_tests/bare/perceptron.py               # 32 layers, 8 rows a request, 64 requests in flight
    load_tests/bare/perceptron.py --layers 4    # where carrying a row costs more than computing it
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from served import framed, in_turns, loaded, served
from tritonclient.grpc import service_pb2

from headrace.execution import threads

WIDTH, MAX_ROWS = 512, 64


def perceptron(layers: int) -> Any:
    """Return layers of WIDTH by WIDTH weights: half a million operations a row, each."""
    rng = np.random.default_rng(1)
    nodes, weights, last = [], [], "x"
    for layer in range(layers):
        values = (rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5).astype(np.float32)
        weights.append(onnx.numpy_helper.from_array(values, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [f"h{layer}"]))
        last = "y" if layer == layers - 1 else f"r{layer}"
        nodes.append(helper.make_node("Relu", [f"h{layer}"], [last]))
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", "y")
    ]
    graph = helper.make_graph(nodes, "perceptron", ports[:1], ports[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def message(rows: int) -> bytes:
    """Return a request as gRPC frames it."""
    request = service_pb2.ModelInferRequest(model_name="perceptron")
    request.inputs.add(name="x", datatype="FP32", shape=[rows, WIDTH])
    request.raw_input_contents.append(np.ones((rows, WIDTH), np.float32).tobytes())
    return framed(request.SerializeToString())


def bare(session: Any, seconds: float) -> float:
    """Return the rows a second of a loop over full batches."""
    x = np.ones((MAX_ROWS, WIDTH), np.float32)
    began = time.perf_counter()
    runs = 0
    while time.perf_counter() - began < seconds:
        session.run(None, {"x": x})
        runs += 1
    return runs * MAX_ROWS / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--rows", type=int, default=8, help="of a request")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_660, help="the first of four")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "models" / "perceptron" / "1" / "model.onnx"
        file.parent.mkdir(parents=True)
        onnx.save(perceptron(asked.layers), file)
        (file.parents[1] / "model.yaml").write_text(f"batching: {{max_rows: {MAX_ROWS}}}\n")
        body = Path(scratch) / "request"
        body.write_bytes(message(asked.rows))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads.plan(
            threads.cpus(), [threads.Lanes("it/1", 1)]
        ).share
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        with served(file.parents[2], asked.port, Path(scratch) / "state"):
            in_turns(
                asked.rounds,
                lambda: bare(session, asked.seconds),
                lambda: asked.rows * loaded(asked.port + 1, body, asked.in_flight, asked.seconds),
                "rows",
            )


if __name__ == "__main__":
    main()
