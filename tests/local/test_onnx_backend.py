"""ONNX Runtime itself: graphs as versions."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail
from tests.onnx_files import FLOAT, STRING, doubler, graph, identity, port, write

from headrace import Batch, Model
from headrace.cli import checking
from headrace.errors import ModelInvalid
from headrace.execution import trial
from headrace.execution.elements import Elements
from headrace.execution.opening import context, contract, open_model
from headrace.models import Tensor
from headrace.repository.folder import find


def opened(models: Path) -> Model:
    (version,) = find(models)
    return open_model(version)


def ask(model: Model, **inputs: Any) -> tuple[dict[str, Any], dict[int, str]]:
    """Return what a batch of these is answered with, and what is rejected."""
    rows = trial.MadeUpRows(len(next(iter(inputs.values()))), inputs)
    return dict(model.predict(Batch(rows))), rows.rejected


def test_a_graph_passes_its_check_and_says_its_tensors(tmp_path: Path) -> None:
    write(tmp_path, "net", doubler("inner"), "batching: {max_rows: 4}\nplacement: {lanes: 3}")
    (checked,) = checking.check(tmp_path)
    assert not checked.error
    assert [one.rows for one in checked.trials] == [1, 2, 4]
    (version,) = find(tmp_path)
    model = open_model(version)
    assert model.inputs == [Tensor("x", "FP32", [-1])]
    assert model.concurrency == 3
    assert '"repeatable": true' in contract(version, model)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.BOOL, "bool"),
        (TensorProto.UINT8, "uint8"),
        (TensorProto.UINT16, "uint16"),
        (TensorProto.UINT32, "uint32"),
        (TensorProto.UINT64, "uint64"),
        (TensorProto.INT8, "int8"),
        (TensorProto.INT16, "int16"),
        (TensorProto.INT32, "int32"),
        (TensorProto.INT64, "int64"),
        (TensorProto.FLOAT16, "float16"),
        (TensorProto.FLOAT, "float32"),
        (TensorProto.DOUBLE, "float64"),
    ],
)
def test_every_datatype_goes_through(tmp_path: Path, kind: int, dtype: str) -> None:
    write(tmp_path, "net", identity(kind))
    x = np.array([[0, 1], [1, 1]]).astype(dtype)
    x.flags.writeable = False
    outputs, _ = ask(opened(tmp_path), x=x)
    assert outputs["y"].dtype == x.dtype
    assert np.array_equal(outputs["y"], x)


def test_texts_go_through_and_what_is_no_text_is_rejected(tmp_path: Path) -> None:
    write(tmp_path, "net", identity(STRING))
    elements = Elements([b"a\0b", "é".encode(), b"", b"\xff", b"c", b"d"], (3, 2))
    outputs, rejected = ask(opened(tmp_path), x=elements)
    assert outputs["y"].tolist() == [["a\0b", "é"], ["", ""], ["c", "d"]]
    assert list(rejected) == [1]
    assert "input 'x' is not UTF-8" in rejected[1]


def test_inputs_are_not_copied(tmp_path: Path) -> None:
    """A copy of 64 MiB takes longer than a run that only looks at the shape."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"], end=1),
        helper.make_node("Concat", ["shape", "one"], ["column"], axis=0),
        helper.make_node("Expand", ["one", "column"], ["y"]),
    ]
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    outputs = [port("y", ["n", 1], TensorProto.INT64)]
    write(tmp_path, "net", graph(nodes, [port("x", ["n", "m"])], outputs, [one]))
    model = opened(tmp_path)
    x = np.ones((1, 16 << 20), np.float32)
    x.flags.writeable = False

    def fastest(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(5):
            began = perf_counter()
            work()
            times.append(perf_counter() - began)
        return min(times)

    assert fastest(lambda: ask(model, x=x)) < fastest(x.copy) / 5


@pytest.mark.parametrize(("first", "told"), [(1, ["WARNING"]), ("n", [])])
def test_a_first_axis_of_one_runs_rows_one_by_one_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, first: Any, told: list[str]
) -> None:
    write(tmp_path, "net", doubler(rows=first))
    (version,) = find(tmp_path)
    model = open_model(version)
    model.load(context(version))
    assert [one.levelname for one in caplog.records] == told
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    outputs, _ = ask(model, x=x)
    assert np.array_equal(outputs["y"], 2 * x)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), rows=st.integers(1, 9))
def test_a_batch_is_answered_as_its_rows_are_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: int
) -> None:
    width = data.draw(st.integers(1, 6))
    seed = data.draw(st.integers(0, 1 << 32))
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(width, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Softmax", ["h"], ["p"]),
        helper.make_node("ArgMax", ["h"], ["most"], axis=1, keepdims=1),
    ]
    outputs = [port("p", ["n", 3]), port("most", ["n", 1], TensorProto.INT64)]
    models = tmp_path_factory.mktemp("models")
    file = write(
        models,
        "net",
        graph(
            nodes, [port("x", ["n", width])], outputs, [onnx.numpy_helper.from_array(weight, "w")]
        ),
    )
    x = rng.normal(size=(rows, width)).astype(np.float32)
    answered, _ = ask(opened(models), x=x)
    plain = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for row in range(rows):
        p, most = plain.run(None, {"x": x[row : row + 1]})
        assert np.allclose(answered["p"][row], p[0], rtol=1e-6, atol=1e-7)
        assert answered["most"][row] == most[0]


def missing_weights(models: Path) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((64, 4), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = graph([node], [port("x", ["n", 64])], [port("y", ["n", 4])], [weight])
    file = write(models, "net", b"")
    onnx.save(model, file, save_as_external_data=True, location="weights", size_threshold=0)
    assert opened(models).inputs == [Tensor("x", "FP32", [64])]
    (file.parent / "weights").unlink()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            lambda models: write(models, "net", doubler().SerializeToString()[:-40]),
            "model.onnx failed:Protobuf parsing failed",
        ),
        (lambda models: write(models, "net", b""), "No graph was found"),
        (
            lambda models: write(models, "net", b"version https://git-lfs.github.com/spec/v1\noid"),
            "is a pointer of Git LFS, not the file: run `git lfs pull`",
        ),
        (lambda models: write(models, "net", graph([], [], [], opset=99)), "Opset 99 is under"),
        (missing_weights, "External data path does not exist"),
        (lambda models: write(models, "net", doubler(rows=8)), "first axis of 8"),
        (lambda models: write(models, "net", identity(TensorProto.BFLOAT16)), "cast it inside"),
        (
            lambda models: write(models, "net", doubler(), "placement: {gpus: 1}"),
            "placement.gpus needs CUDAExecutionProvider, and the installed ONNX Runtime has",
        ),
    ],
)
def test_a_file_that_cannot_be_served_says_why(
    tmp_path: Path, broken: Callable[[Path], Any], said: str
) -> None:
    broken(tmp_path)
    (checked,) = checking.check(tmp_path)
    assert said in checked.error


def test_want_of_memory_is_known(tmp_path: Path) -> None:
    """Asked for are 64 TiB, which no machine gives."""
    ones = helper.make_tensor("one", FLOAT, [1, 1], [1.0])
    nodes = [
        helper.make_node("Squeeze", ["size", "zero"], ["flat"]),
        helper.make_node("Expand", ["one", "flat"], ["y"]),
    ]
    zero = helper.make_tensor("zero", TensorProto.INT64, [1], [0])
    inputs, outputs = [port("size", ["n", 2], TensorProto.INT64)], [port("y", ["n", "m"])]
    write(tmp_path, "net", graph(nodes, inputs, outputs, [ones, zero]))
    model = opened(tmp_path)
    with pytest.raises(Exception, match="Failed to allocate memory") as raised:
        ask(model, size=np.array([[1 << 20, 1 << 24]]))
    assert model.is_out_of_memory(raised.value)
    with pytest.raises(Exception, match="INVALID_ARGUMENT") as raised:
        ask(model, size=np.array([[1.0, 2.0]]))
    assert not model.is_out_of_memory(raised.value)
    assert not model.is_out_of_memory(ValueError("std::bad_alloc"))


def test_a_session_has_the_threads_of_a_lane(tmp_path: Path) -> None:
    write(tmp_path, "net", doubler())
    (version,) = find(tmp_path)
    counts = []
    for threads in (1, 4):
        before = len(list(Path("/proc/self/task").iterdir()))
        model = open_model(version, threads)
        counts.append(len(list(Path("/proc/self/task").iterdir())) - before)
        del model
    # The lane's own thread works, too.
    assert counts == [0, 3]


def test_onnx_runtime_does_not_go_on_with_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it has CUDA, as one does whose libraries are missing, and starts the CPU."""
    write(tmp_path, "net", doubler(), "placement: {gpus: 1}")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(ModelInvalid, match="could not start CUDAExecutionProvider"),
    ):
        opened(tmp_path)


def test_a_provider_that_is_lost_in_a_run_is_not_replaced_by_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def run(self, *_: Any) -> None:
            raise EPFail("CUDA is lost")

        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

    write(tmp_path, "net", doubler())
    model: Any = opened(tmp_path)
    session = model._session._sess
    monkeypatch.setattr(model._session, "_sess", Lost())
    with pytest.raises(EPFail, match="CUDA is lost"):
        ask(model, x=np.ones((1, 4), np.float32))
