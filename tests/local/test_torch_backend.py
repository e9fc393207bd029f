"""PyTorch itself: exported programs, views of batches, outputs of every type."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from headrace import Batch, Model, Tensor
from headrace.cli import checking
from headrace.execution import lanes, trial
from headrace.execution.elements import Elements
from headrace.execution.opening import context, contract, open_model
from headrace.execution.outputs import to_host
from headrace.repository.folder import find

YAML = """
batching: {max_rows: 4}
inputs:
  - {name: a, datatype: FP32, shape: [3]}
  - {name: b, datatype: FP32, shape: [3]}
outputs:
  - {name: sum, datatype: FP32, shape: [3]}
  - {name: most, datatype: INT64, shape: [1]}
"""


class Net(torch.nn.Module):  # type: ignore[misc]
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        total = a + 2 * b
        return total, total.argmax(1, keepdim=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    (models / "net" / "1").mkdir(parents=True)
    rows = torch.export.Dim("rows", min=1, max=64)
    example = torch.ones(2, 3), torch.ones(2, 3)
    program = torch.export.export(Net(), example, dynamic_shapes=({0: rows}, {0: rows}))
    torch.export.save(program, models / "net" / "1" / "net.pt2")
    (models / "net" / "model.yaml").write_text(YAML)
    return models


def test_an_exported_program_passes_its_check(repository: Path) -> None:
    (checked,) = checking.check(repository)
    assert not checked.error
    assert [one.rows for one in checked.trials] == [1, 2, 4]


def test_an_exported_program_computes_and_may_be_repeated(repository: Path) -> None:
    (version,) = find(repository)
    model = open_model(version)
    model.load(context(version))
    assert '"repeatable": true' in contract(version, model)
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32)
    with lanes.inference_mode():
        outputs = to_host(model.predict(Batch(trial.MadeUpRows(2, {"a": a, "b": b}))))
    assert np.array_equal(outputs["sum"], a + 2)
    assert outputs["most"].tolist() == [[2], [2]]


def test_another_number_of_results_than_declared_is_told(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "1").symlink_to(repository / "net" / "1")
    (folder / "model.yaml").write_text(
        YAML.replace("  - {name: most, datatype: INT64, shape: [1]}", "")
    )
    (checked,) = checking.check(tmp_path)
    assert "the program returns 2 tensors, but model.yaml declares 1 outputs" in checked.error


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.int64, np.uint8, np.bool_]
)
def test_a_tensor_is_a_view_of_the_batch_and_comes_back_as_it_was(dtype: Any) -> None:
    array = np.array([[0, 1], [1, 1]]).astype(dtype)
    array.flags.writeable = False
    tensor = Batch(trial.MadeUpRows(2, {"x": array})).tensor("x")
    assert tensor.data_ptr() == array.ctypes.data
    back = to_host({"y": tensor})["y"]
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_gradients_and_strides_are_no_concern_of_the_author() -> None:
    weight = torch.ones(3, 2, requires_grad=True)
    outputs = to_host({"y": (weight * 2).T})
    assert outputs["y"].flags.c_contiguous
    assert outputs["y"].shape == (2, 3)


def test_bytes_are_no_tensor() -> None:
    batch = Batch(trial.MadeUpRows(1, {"s": Elements([b"a"], (1,))}))
    with pytest.raises(TypeError, match="input 's' is of BYTES"):
        batch.tensor("s")


class Grad(Model):
    inputs = (Tensor("x", "FP32", (2,)),)
    outputs = (Tensor("y", "FP32", (2,)),)

    def load(self, context: Any) -> None: ...

    def predict(self, batch: Batch) -> Any:
        return {"y": batch.tensor("x") * torch.ones(2, requires_grad=True)}


def test_a_lane_runs_without_gradients() -> None:
    with lanes.inference_mode():
        batch = Batch(trial.MadeUpRows(1, {"x": np.ones((1, 2), np.float32)}))
        assert not Grad().predict(batch)["y"].requires_grad
