"""What a model sees of each datatype, and that its answer comes back as it was."""

from typing import Any

import headrace_core
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

NUMBERS = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}


class Seen:
    """Echoes its input, and keeps it for a look."""

    def __init__(self) -> None:
        self.inputs: list[Any] = []

    def __call__(self, batch: headrace_core.Batch) -> None:
        value = batch.inputs["x"]
        assert batch.inputs["x"] is value
        self.inputs.append(value)
        assert batch.complete({"y": value}) is None


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_come_as_read_only_arrays_and_go_back(rig: Any, datatype: str) -> None:
    seen = Seen()
    rig.open(seen, inputs=[("x", datatype, [-1, 3])], outputs=[("y", datatype, [-1, 3])])
    sent = np.array([[[0, 1, 2], [3, 4, 5]]]).astype(NUMBERS[datatype])
    answer = rig.ask(sent, datatypes=[datatype])
    assert answer.dtype == sent.dtype
    assert np.array_equal(answer, sent)
    [array] = seen.inputs
    assert isinstance(array, np.ndarray)
    assert (array.dtype, array.shape) == (sent.dtype, (1, 2, 3))
    assert array.flags.aligned
    assert array.flags.c_contiguous
    assert not array.flags.writeable
    assert np.array_equal(array, sent)


def test_bfloat16_comes_as_ml_dtypes(rig: Any) -> None:
    seen = Seen()
    rig.open(seen, inputs=[("x", "BF16", [2])], outputs=[("y", "BF16", [2])])
    sent = np.array([[1.5, -2.0]], ml_dtypes.bfloat16)
    assert rig.ask(sent, datatypes=["BF16"]).tolist() == sent.tolist()
    assert seen.inputs[0].dtype == np.dtype(ml_dtypes.bfloat16)
    assert seen.inputs[0].tolist() == sent.tolist()


def test_bytes_come_as_views_of_each_element(rig: Any) -> None:
    seen = Seen()
    rig.open(seen, inputs=[("x", "BYTES", [3])], outputs=[("y", "BYTES", [3])])
    sent = np.array([[b"a", b"", b"\x00\xff"], [b"d", "é".encode(), b"f" * 70_000]], np.object_)
    assert rig.ask(sent, datatypes=["BYTES"]).tolist() == sent.tolist()
    [tensor] = seen.inputs
    assert isinstance(tensor, headrace_core.BytesTensor)
    assert (tensor.shape, len(tensor)) == ((2, 3), 6)
    assert [bytes(element) for element in tensor] == sent.ravel().tolist()
    assert isinstance(tensor[0], memoryview)
    assert tensor[0].readonly
    assert bytes(tensor[-1]) == b"f" * 70_000
    assert [bytes(element) for element in tensor[4:0:-2]] == ["é".encode(), b"\x00\xff"]
    with pytest.raises(IndexError, match="no element 6"):
        tensor[6]


@pytest.mark.parametrize("rows", [1, 8])
def test_empty_axes_are_no_trouble(rig: Any, rows: int) -> None:
    rig.open(Seen())
    sent: NDArray[Any] = np.empty((rows, 0), np.float32)
    assert rig.ask(sent).shape == (rows, 0)


def test_parameters_come_with_each_row(rig: Any) -> None:
    seen: list[Any] = []

    def work(batch: headrace_core.Batch) -> None:
        seen.extend(batch.parameters)
        batch.complete({"y": batch.inputs["x"]})

    rig.open(work)
    rig.ask(np.zeros((2, 1), np.float32), parameters={"top": 5, "how": "well", "sure": True})
    assert seen == [{"top": 5, "how": "well", "sure": True}] * 2
