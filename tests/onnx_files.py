"""Models written as ONNX files, for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

#: A version of the format, and one of the operators, that ONNX Runtime has known for long.
IR_VERSION, OPSET = 10, 21
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING

Shape = Sequence[int | str | None] | None


def port(name: str, shape: Shape, kind: int = FLOAT) -> Any:
    """Return an input or output; an axis of any size is a text or None."""
    return helper.make_tensor_value_info(name, kind, shape)


def graph(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
    opset: int = OPSET,
) -> Any:
    """Return a model of these nodes."""
    made = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(constants))
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )


def doubler(inner: int | str | None = 4, rows: int | str | None = "rows") -> Any:
    """Return a model with x FP32 → y FP32, twice as much."""
    two = helper.make_tensor("two", FLOAT, [], [2.0])
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"])]
    return graph(nodes, [port("x", [rows, inner])], [port("y", [rows, inner])], [two])


def identity(kind: int, rows: int | str = "n") -> Any:
    """Return a model with x [rows, m] → y, the same."""
    node = helper.make_node("Identity", ["x"], ["y"])
    return graph([node], [port("x", [rows, "m"], kind)], [port("y", [rows, "m"], kind)])


def lookup() -> Any:
    """Return a model with at INT64[1] → found FP32[1] of a table of four; others raise."""
    table = helper.make_tensor("table", FLOAT, [4], [10.0, 20.0, 30.0, 40.0])
    nodes = [helper.make_node("Gather", ["table", "at"], ["found"])]
    return graph(nodes, [port("at", ["n", 1], INT64)], [port("found", ["n", 1])], [table])


def brightest() -> Any:
    """Return a model with pixels FP32[3, 2, 2] → score FP32[3], the sum of each colour."""
    axes = helper.make_tensor("axes", INT64, [2], [2, 3])
    nodes = [helper.make_node("ReduceSum", ["pixels", "axes"], ["score"], keepdims=0)]
    inputs, outputs = [port("pixels", ["n", 3, 2, 2])], [port("score", ["n", 3])]
    return graph(nodes, inputs, outputs, [axes])


def counter() -> Any:
    """Return a model with times INT64[1] → y INT64[1]: counts so far, and may take for ever."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["goes_on"], ["goes_on_still"]),
            helper.make_node("Identity", ["value"], ["value_still"]),
        ],
        "body",
        [
            port("at", [], INT64),
            port("goes_on", [], TensorProto.BOOL),
            port("value", [1, 1], INT64),
        ],
        [port("goes_on_still", [], TensorProto.BOOL), port("value_still", [1, 1], INT64)],
    )
    nodes = [
        helper.make_node("Squeeze", ["times"], ["count"]),
        helper.make_node("Loop", ["count", "", "times"], ["y"], body=body),
    ]
    return graph(nodes, [port("times", [1, 1], INT64)], [port("y", [1, 1], INT64)])


def write(models: Path, name: str, model: Any, yaml: str = "", version: int = 1) -> Path:
    """Write a version of a model below ``models``, and return its file."""
    file = models / name / str(version) / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(model, bytes):
        file.write_bytes(model)
    else:
        onnx.save(model, file)
    if yaml:
        (models / name / "model.yaml").write_text(yaml)
    return file
