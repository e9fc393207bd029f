"""MLflow's signatures as tensors, and what models return by them."""

import json
from typing import Any

import numpy as np
import pytest

from headrace.backends.mlflow.arrays import returned
from headrace.backends.mlflow.signature import COLUMNS, TENSORS, UNSERVED, Side, side
from headrace.errors import ModelBroken, ModelInvalid
from headrace.models import Tensor
from headrace.vocabulary import DATATYPES


def column(kind: str, name: str | None = "x") -> dict[str, Any]:
    return {"type": kind, "required": True} | ({} if name is None else {"name": name})


def tensor(dtype: str, shape: list[int], name: str | None = "x") -> dict[str, Any]:
    spec = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
    return spec | ({} if name is None else {"name": name})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (column("boolean"), Tensor("x", "BOOL", [])),
        (column("integer"), Tensor("x", "INT32", [])),
        (column("long"), Tensor("x", "INT64", [])),
        (column("float"), Tensor("x", "FP32", [])),
        (column("double"), Tensor("x", "FP64", [])),
        (column("string"), Tensor("x", "BYTES", [])),
        (column("binary"), Tensor("x", "BYTES", [])),
        (column("long", None), Tensor("input", "INT64", [])),
        (tensor("bool", [-1, 2]), Tensor("x", "BOOL", [2])),
        (tensor("uint8", [-1, 3, -1]), Tensor("x", "UINT8", [3, -1])),
        (tensor("uint16", [-1]), Tensor("x", "UINT16", [])),
        (tensor("uint32", [-1]), Tensor("x", "UINT32", [])),
        (tensor("uint64", [-1]), Tensor("x", "UINT64", [])),
        (tensor("int8", [-1]), Tensor("x", "INT8", [])),
        (tensor("int16", [-1]), Tensor("x", "INT16", [])),
        (tensor("int32", [-1]), Tensor("x", "INT32", [])),
        (tensor("int64", [-1]), Tensor("x", "INT64", [])),
        (tensor("float16", [-1]), Tensor("x", "FP16", [])),
        (tensor("float32", [-1, 4], None), Tensor("input", "FP32", [4])),
        (tensor("float64", [-1]), Tensor("x", "FP64", [])),
        (tensor("str", [-1]), Tensor("x", "BYTES", [])),
        (tensor("str160", [-1, 2]), Tensor("x", "BYTES", [2])),
        (tensor("object", [-1]), Tensor("x", "BYTES", [])),
    ],
)
def test_each_type_of_mlflows_is_a_tensor(spec: dict[str, Any], expected: Tensor) -> None:
    assert side("input", json.dumps([spec])).tensors == [expected]


def test_the_tables_have_no_datatype_that_we_have_not() -> None:
    assert {*COLUMNS.values(), *TENSORS.values()} == {*DATATYPES} - {"BF16"}
    assert not {*COLUMNS} & {*UNSERVED}


@pytest.mark.parametrize(
    ("specs", "why"),
    [
        (None, "says nothing of inputs: log the model with mlflow.models.infer_signature"),
        ([], "says nothing of inputs"),
        *(([column(kind)], f"input 'x' is a column of {kind}; served are") for kind in UNSERVED),
        ([tensor("complex64", [-1])], "input 'x' is a tensor of complex64; served are bool,"),
        ([tensor("datetime64[ns]", [-1])], "is a tensor of datetime64[ns]"),
        ([tensor("float32", [])], "has the shape [], whose first axis is that of rows"),
        ([tensor("float32", [2, 4])], "has the shape [2, 4], whose first axis is that of rows"),
        ([tensor("float32", [-1, 0])], "0 is neither a positive size nor -1"),
        ([column("long", None), column("long", None)], "has 2 inputs, not all of them with names"),
        ([column("long", "")], "a tensor's name is a text that is not empty"),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_name(specs: Any, why: str) -> None:
    with pytest.raises(ModelInvalid) as raised:
        side("input", None if specs is None else json.dumps(specs))
    assert why in str(raised.value)


def outputs(*specs: dict[str, Any]) -> Side:
    return side("output", json.dumps(specs))


AB = outputs(column("double", "a"), column("string", "b"))
ONE = outputs(column("double", None))


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (np.array([1.0, 2.0]), ONE, {"output": [1.0, 2.0]}),
        (np.array([[1.0], [2.0]]), ONE, {"output": [1.0, 2.0]}),
        ([1.0, 2.0], ONE, {"output": [1.0, 2.0]}),
        ({"a": [1.0], "b": ["x"], "c": [3]}, AB, {"a": [1.0], "b": ["x"]}),
        (np.array([[1.0, 2.0]]), outputs(column("double", "a"), column("double", "b")), None),
        (np.array([[1, 2]]), outputs(tensor("int64", [-1, 2], None)), {"output": [[1, 2]]}),
        ({"sum": [[1]]}, outputs(tensor("int64", [-1, 1], "sum")), {"sum": [[1]]}),
    ],
)
def test_what_a_model_returns_is_named_by_its_signature(
    value: Any, declared: Side, expected: dict[str, Any] | None
) -> None:
    found = {
        name: one if isinstance(one, list) else one.tolist()
        for name, one in returned(value, declared).items()
    }
    assert found == (expected or {"a": [1.0], "b": [2.0]})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": [1.0]}, "the model returned a, and its signature has the outputs a, b"),
        (np.zeros((2, 3)), r"an array of shape \[2, 3\], and its .* expected \[rows, 2\]"),
        (np.zeros(2), r"an array of shape \[2\]"),
    ],
)
def test_what_its_signature_does_not_say_is_told(value: Any, why: str) -> None:
    with pytest.raises(ModelBroken, match=why):
        returned(value, AB)
