"""The module that Triton's Python models import, name by name."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from headrace.backends.torchscript import in_order
from headrace.backends.triton_python.refusals import REFUSED, TritonModelException, refused_in
from headrace.backends.triton_python.surface import SERVED, provide
from headrace.backends.triton_python.tensor import Tensor

pb_utils: Any = provide()
FINAL = 1

#: Triton's word, NumPy's type of it, and Triton's number.
DATATYPES = [
    ("TYPE_BOOL", np.bool_, 1),
    ("TYPE_UINT8", np.uint8, 2),
    ("TYPE_UINT16", np.uint16, 3),
    ("TYPE_UINT32", np.uint32, 4),
    ("TYPE_UINT64", np.uint64, 5),
    ("TYPE_INT8", np.int8, 6),
    ("TYPE_INT16", np.int16, 7),
    ("TYPE_INT32", np.int32, 8),
    ("TYPE_INT64", np.int64, 9),
    ("TYPE_FP16", np.float16, 10),
    ("TYPE_FP32", np.float32, 11),
    ("TYPE_FP64", np.float64, 12),
    ("TYPE_STRING", np.object_, 13),
]


def test_it_is_what_an_import_finds() -> None:
    assert importlib.import_module("triton_python_backend_utils") is pb_utils
    assert provide() is pb_utils
    assert {*SERVED, *REFUSED} <= {*vars(pb_utils)}
    with pytest.raises(AttributeError, match="has no Tenser here: it has InferenceRequest"):
        _ = pb_utils.Tenser


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_name_that_is_not_served_says_so(name: str) -> None:
    uses: list[Callable[[Any], Any]] = [lambda one: one(), lambda one: one.COUNTER]
    for use in uses:
        with pytest.raises(TritonModelException, match=f"pb_utils.{name} is not served: "):
            use(getattr(pb_utils, name))


@pytest.mark.parametrize(("word", "numpy_type", "number"), DATATYPES)
def test_datatypes(word: str, numpy_type: Any, number: int) -> None:
    assert pb_utils.triton_string_to_numpy(word) is numpy_type
    assert pb_utils.triton_to_numpy_type(number) is numpy_type
    assert pb_utils.numpy_to_triton_type(numpy_type) == number
    assert Tensor("x", np.zeros(1, numpy_type)).triton_dtype() == number


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (pb_utils.triton_string_to_numpy, "TYPE_BF16"),
        (pb_utils.triton_string_to_numpy, "TYPE_FP8"),
        (pb_utils.triton_to_numpy_type, 14),
        (pb_utils.triton_to_numpy_type, 0),
        (pb_utils.numpy_to_triton_type, np.complex64),
    ],
)
def test_what_is_no_datatype_of_both(call: Any, given: Any) -> None:
    with pytest.raises(TypeError):
        call(given)


def test_a_tensor_of_numpys() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    one = Tensor("x", array)
    assert (one.name(), one.shape(), one.is_cpu()) == ("x", [2, 3], True)
    assert one.as_numpy() is array
    assert np.shares_memory(np.from_dlpack(one), array)
    assert torch.from_dlpack(one.to_dlpack()).tolist() == array.tolist()
    with pytest.raises(TypeError, match="expects an array of NumPy's, not list"):
        Tensor("x", [1, 2])
    with pytest.raises(TypeError, match=r"use .astype\(object\)"):
        Tensor("x", np.array(["a"]))
    with pytest.raises(TypeError, match="of BYTES, which DLPack has not"):
        Tensor("x", np.array([b"a"], object)).to_dlpack()


def test_a_tensor_of_another_library() -> None:
    given = torch.arange(4).reshape(2, 2)
    for source in (given, torch.utils.dlpack.to_dlpack(given)):
        one = Tensor.from_dlpack("x", source)
        assert one.shape() == [2, 2]
        assert one.as_numpy().tolist() == [[0, 1], [2, 3]]
    half = Tensor.from_dlpack("x", torch.ones(2, dtype=torch.bfloat16))
    assert half.triton_dtype() == 14
    assert torch.from_dlpack(half.to_dlpack()).dtype == torch.bfloat16
    with pytest.raises(TypeError, match="is of BF16, which NumPy has not"):
        half.as_numpy()
    with pytest.raises(TypeError, match="expects what has __dlpack__, or a capsule, not int"):
        Tensor.from_dlpack("x", 3)


def test_bytes_are_written_and_read() -> None:
    given = np.array([[b"one", "zwei"], [b"", b"\0"]], object)
    (whole,) = pb_utils.serialize_byte_tensor(given)
    assert whole == b"\3\0\0\0one\4\0\0\0zwei\0\0\0\0\1\0\0\0\0"
    assert pb_utils.deserialize_bytes_tensor(whole).tolist() == [b"one", b"zwei", b"", b"\0"]
    assert pb_utils.serialize_byte_tensor(np.array([], object)).size == 0
    with pytest.raises(TypeError, match="expected an array of bytes"):
        pb_utils.serialize_byte_tensor(np.zeros(2))


@pytest.mark.parametrize("cut", [b"\3\0", b"\3\0\0\0on"])
def test_bytes_that_end_too_soon(cut: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        pb_utils.deserialize_bytes_tensor(cut)


def test_names_are_found_under_any_alias() -> None:
    source = (
        "import triton_python_backend_utils as a\nb = a.InferenceTrace\nc = other.InferenceTrace\n"
    )
    assert list(refused_in(source)) == [
        f"line 2: pb_utils.InferenceTrace: {REFUSED['InferenceTrace']}"
    ]
    assert list(refused_in("def f(r: triton_python_backend_utils.InferenceRequest): pass")) == []


@pytest.mark.parametrize(
    ("names", "arguments", "order"),
    [
        (["B__1", "A__0"], ["x", "y"], ["A__0", "B__1"]),
        (["y", "x"], ["x", "y"], ["x", "y"]),
        (["p", "q"], ["x", "y"], ["p", "q"]),
        (["B__2", "A__0"], ["x", "y"], ["B__2", "A__0"]),
    ],
)
def test_a_programs_tensors_are_in_its_order(
    names: list[str], arguments: list[str], order: list[str]
) -> None:
    assert in_order(names, arguments) == order


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda one: one.set_max_batch_size(2), "config.pbtxt says 4, auto_complete_config 2"),
        (lambda one: one.set_model_transaction_policy({"a": 1}), "has decoupled alone, not 'a'"),
        (lambda one: one.add_input({"name": "n", "dims": []}), "has no data_type"),
        (lambda one: one.add_output({"name": "n", "optional": True}), "not 'optional'"),
        (
            lambda one: one.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [2]}),
            "dims is .* in config.pbtxt, and",
        ),
    ],
)
def test_a_completed_configuration_contradicts_nothing(call: Any, said: str) -> None:
    entry = {"name": "x", "data_type": "TYPE_FP32", "dims": [4]}
    one = pb_utils.ModelConfig({"max_batch_size": 4, "input": [entry], "output": []})
    one.add_input(entry)
    one.set_max_batch_size(8)
    one.set_dynamic_batching()
    one.set_model_transaction_policy({"decoupled": True})
    assert one.as_dict() == {
        "max_batch_size": 8,
        "input": [entry],
        "output": [],
        "dynamic_batching": {},
        "model_transaction_policy": {"decoupled": True},
    }
    other = pb_utils.ModelConfig({"max_batch_size": 4, "input": [entry], "output": []})
    with pytest.raises(ValueError, match=said):
        call(other)
