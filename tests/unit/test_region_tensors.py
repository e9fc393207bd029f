"""Callers' memory as PyTorch sees it: on the CPU, where tensors do what they do on a GPU."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from headrace.execution.device import region_tensors  # noqa: E402
from headrace.execution.device.regions import Part  # noqa: E402


def part(memory: Any, row: int, rows: int, *, repeated: int = 0, offset: int = 0) -> Part:
    return Part(row, rows, repeated, offset, len(memory) - offset, memory)


def shared(values: Any, dtype: Any = np.float32) -> Any:
    """Return memory of another process that holds these."""
    return torch.from_numpy(np.asarray(values, dtype).view(np.uint8).reshape(-1).copy())


def gathered(array: Any, *parts: Part) -> Any:
    return region_tensors.gather("x", np.asarray(array, np.float32), parts, "cpu")


def test_what_is_all_of_an_input_is_the_callers_memory_itself() -> None:
    memory = shared([[9, 9], [1, 2], [3, 4]])
    x = gathered(np.zeros((2, 2)), part(memory, 0, 2, offset=8))
    assert x.tolist() == [[1, 2], [3, 4]]
    memory.view(torch.float32)[2] = 7
    assert x[0, 0] == 7


def test_rows_lie_where_the_batch_has_them() -> None:
    first, last = shared([[1, 2]]), shared([[5, 6]])
    both = gathered(np.zeros((2, 2)), part(first, 0, 1), part(last, 1, 1))
    assert both.tolist() == [[1, 2], [5, 6]]
    sent = np.array([[0, 0], [3, 4], [0, 0], [0, 0]], np.float32)
    mixed = gathered(sent, part(first, 0, 1), part(last, 2, 1, repeated=1))
    assert mixed.tolist() == [[1, 2], [3, 4], [5, 6], [5, 6]]
    assert sent[0].tolist() == [0, 0], "what was sent is not written to"


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int64, np.uint16, np.float16, np.float64, ml_dtypes.bfloat16]
)
def test_every_datatype_comes_and_goes(dtype: Any) -> None:
    values = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    memory = shared(values, dtype)
    x = region_tensors.gather("x", np.zeros((3, 2), dtype), [part(memory, 0, 3)], "cpu")
    to = torch.zeros(len(memory), dtype=torch.uint8)
    assert region_tensors.write(x, part(to, 1, 2, offset=0)) is None
    size = values[1:].nbytes
    assert to[:size].tolist() == memory[len(memory) - size :].tolist()
    blank = region_tensors.blank(x)
    assert (blank.dtype, blank.shape) == (values.dtype, values.shape)
    assert not blank.astype(np.float32).any()


def test_outputs_of_other_libraries_are_written_and_what_is_too_large_is_not() -> None:
    to = torch.zeros(16, dtype=torch.uint8)
    value = np.arange(8, dtype=np.float32).reshape(2, 4).T
    assert region_tensors.write(value, part(to, 1, 2)) is None
    assert to.view(torch.float32).tolist() == [1, 5, 2, 6]
    to.zero_()
    assert region_tensors.write(value, part(to, 0, 3)) == 24
    assert not to.any()
