"""What steps know of a GPU: CuPy, its streams, and how PyTorch gets what they made."""

from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from headrace.errors import ModelInvalid
from headrace.models.torch_tensor import view
from headrace.processing import implementation
from headrace.processing.implementation import References
from headrace_kernels import device


def test_a_gpu_without_cupy_is_told_when_the_model_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise ImportError("a kernel needs CuPy, pip install 'headrace[cuda]': no")

    monkeypatch.setattr(device, "current", missing)
    with pytest.raises(ModelInvalid, match=r"steps on cuda:0 are kernels: .+ 'headrace\[cuda\]'"):
        implementation.choose("cuda:0")
    assert isinstance(implementation.choose("cpu"), References)


def test_cupy_is_told_device_and_stream_and_copies_only_what_is_elsewhere() -> None:
    told: list[Any] = []

    def bound(*at: int) -> SimpleNamespace:
        return SimpleNamespace(use=lambda: told.append(at))

    def asarray(array: Any, order: str) -> Any:
        told.append(order)
        return array

    here = device.Device(
        SimpleNamespace(asarray=asarray, cuda=SimpleNamespace(Device=bound, ExternalStream=bound))
    )
    here.use(2, None)
    here.use(1, 77)
    assert told == [(2,), (1,), (77, 1)]
    bits = np.zeros(3, np.int16)
    assert here.place(bits, "bfloat16").dtype == ml_dtypes.bfloat16
    assert here.place(bits) is bits
    assert here.place([1, 2]) == [1, 2]  # no array: whoever reads it says so
    assert told[3:] == ["C", "C"]


def test_what_a_step_makes_on_a_gpu_is_a_tensor_of_the_model_without_a_copy() -> None:
    class Lent:
        """An array of a library that is not NumPy, as CuPy's are."""

        def __init__(self, array: Any) -> None:
            self.array, self.dtype = array, array.dtype

        def view(self, dtype: Any) -> Any:
            return Lent(self.array.view(dtype))

        def __dlpack__(self, **told: Any) -> Any:
            return self.array.__dlpack__(**told)

        def __dlpack_device__(self) -> Any:
            return self.array.__dlpack_device__()

    class Elements(list[bytes]):
        """No array at all."""

    for dtype, theirs in ((np.float32, torch.float32), (ml_dtypes.bfloat16, torch.bfloat16)):
        array = np.arange(3).astype(dtype)
        tensor = view("x", Lent(array), "cpu")
        array[0] = 9
        assert tensor.dtype == theirs
        assert tensor.tolist() == [9, 1, 2]
    with pytest.raises(TypeError, match="'x' is of BYTES"):
        view("x", Elements(), "cpu")
