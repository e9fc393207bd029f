"""Which inputs can be joined, what the core is told, and how made-up batches look."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace_core
import numpy as np
import pytest

from headrace.cli import checking
from headrace.config.batching import Batching
from headrace.errors import ModelBroken, ModelInvalid
from headrace.execution import joining
from headrace.execution.joining import Arranged
from headrace.execution.opening import contract, open_model
from headrace.models import Tensor
from headrace.repository.folder import find

INPUTS = [
    Tensor("x", "INT8", [-1]),
    Tensor("two", "FP32", [-1, 3, -1]),
    Tensor("fixed", "FP32", [3]),
    Tensor("text", "BYTES", [-1]),
    Tensor("flag", "BOOL", [-1]),
]
OUTPUTS = [Tensor("y", "FP32", [-1]), Tensor("z", "FP32", [2, -1, -1]), Tensor("t", "BYTES", [-1])]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"join": {"X": "ragged"}}, "'X', which the model does not declare: its inputs are x, two"),
    ({"join": {"text": "pad"}}, "input 'text': it is of BYTES, whose elements have lengths"),
    ({"join": {"text": "ragged"}}, "input 'text': it is of BYTES"),
    ({"join": {"fixed": "pad"}}, r"its shape is \[3\]: no axis is of any size"),
    ({"join": {"fixed": "ragged"}}, r"must be the only one of any size \(-1\), but its shape"),
    ({"join": {"two": "ragged"}}, r"but its shape is \[-1, 3, -1\]"),
    ({"join": {"x": {"pad": {"value": 128}}}}, "the value 128 is none of INT8"),
    ({"join": {"x": {"pad": {"value": 0.5}}}}, "the value 0.5 is none of INT8"),
    ({"join": {"flag": {"pad": {"value": 2}}}}, "the value 2 is none of BOOL"),
    ({"join": {"two": {"pad": {"value": 1e39}}}}, r"the value 1e\+39 is none of FP32"),
    ({"join": {"two": {"pad": {"sizes": [8, 4096]}}}}, "64 rows padded to 4096 are 128849018"),
    ({"join": {"two": {"pad": {"multiple_of": 4096}}}}, "64 rows padded to 4096 are 128849018"),
    ({"join": {"x": "pad"}, "like": {"Y": "x"}}, "'Y', which the model does not declare"),
    ({"join": {"x": "pad"}, "like": {"t": "x"}}, "output 't': it is of BYTES, which cannot be cut"),
    ({"join": {"two": "pad"}, "like": {"y": "two"}}, "expected as many axes of any size"),
    ({"join": {"x": "ragged"}, "like": {"z": "x"}}, r"\(-1\), the first one"),
]


def batching(given: dict[str, Any]) -> Batching:
    return Batching.model_validate(given)


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_cannot_be_joined_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelInvalid, match=said):
        joining.check(batching(given), INPUTS, OUTPUTS)


def test_a_value_that_would_be_rounded_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a float has, not 9007199254740993: .+ 9007199254740992"):
        batching({"join": {"x": {"pad": {"value": (1 << 53) + 1}}}})


def test_what_can_be_joined_is_taken() -> None:
    join = {"x": "ragged", "two": {"pad": {"value": -1}}, "text": "stack", "flag": "pad"}
    like = {"y": "x", "z": "two"}
    joining.check(batching({"join": join, "like": like}), INPUTS, OUTPUTS)


@pytest.mark.parametrize(
    ("datatype", "value", "fill"),
    [
        ("BOOL", 1, 1),
        ("UINT8", 255, 0xFF),
        ("INT8", -1, 0xFF),
        ("INT16", -2, 0xFFFE),
        ("UINT32", 7, 7),
        ("INT64", -100, (1 << 64) - 100),
        ("FP16", -1.5, 0xBE00),
        ("BF16", -1.5, 0xBFC0),
        ("BF16", 1.00390625, 0x3F80),  # half way, to even
        ("BF16", 1.01171875, 0x3F82),
        ("FP32", 1, 0x3F800000),
        ("FP64", -1, 0xBFF0000000000000),
    ],
)
def test_a_value_is_filled_as_the_datatype_has_it(datatype: str, value: float, fill: int) -> None:
    (join,) = batching({"join": {"x": {"pad": {"value": value}}}}).join.values()
    facts = joining.join_facts(join, datatype)
    assert facts == {"pad": {"fill": fill, "multiple_of": 1, "sizes": ()}}


def test_made_up_rows_look_as_those_of_callers() -> None:
    given = {
        "x": np.arange(6, dtype=np.int8).reshape(2, 3),
        "two": np.ones((2, 5, 3, 1), np.float32),
    }
    said = {"two": {"pad": {"value": 7, "multiple_of": 4}}, "x": "ragged"}
    arranged = Arranged(batching({"join": said}), INPUTS[:2], given)
    assert arranged.inputs["x"].tolist() == [0, 1, 2, 3, 4, 5]
    assert arranged.offsets["x"].tolist() == [0, 3, 6]
    assert arranged.sizes["two"].tolist() == [[5, 1], [5, 1]]
    two = arranged.inputs["two"]
    assert (two.shape, two.flags.writeable) == ((2, 8, 3, 4), False)
    assert (two[:, :5, :, :1] == 1).all()
    assert (two == 7).sum() == 2 * (8 * 3 * 4 - 5 * 3)
    assert arranged.shape("x", Tensor("y", "FP32", [-1, 9])) == [6, 9]
    assert arranged.shape("two", Tensor("z", "FP32", [2, -1, -1])) == [2, 2, 8, 4]
    with pytest.raises(ModelBroken, match="the sizes of its axes are at most 4"):
        Arranged(
            batching({"join": {"x": {"pad": {"sizes": [2, 4]}}}}),
            INPUTS,
            {"x": np.zeros((1, 5), np.int8)},
        )


MODEL = """
from headrace import Model, Tensor

class Echo(Model):
    inputs = [Tensor("x", "FP32", [-1])]
    outputs = [Tensor("y", "FP32", [-1])]

    def load(self, context):
        pass

    def predict(self, batch):
        return {"y": batch["x"][RETURNED]}
"""


@pytest.mark.parametrize(
    ("join", "returned", "said"),
    [
        ("ragged", ":", ""),
        ("{pad: {sizes: [2, 4]}}", ":", ""),
        ("{pad: {multiple_of: 5}}", ":", ""),
        ("ragged", "1:", "declared output 'y' as FP32[8] for this batch of 1 rows"),
        ("{pad: {multiple_of: 5}}", ":, 1:", "declared output 'y' as FP32[1, 10] for this batch"),
    ],
)
def test_check_and_the_core_take_a_model_that_joins(
    write_model: Callable[..., Path], join: str, returned: str, said: str
) -> None:
    yaml = f"batching: {{join: {{x: {join}}}, like: {{y: x}}}}"
    models = write_model(source=MODEL.replace("RETURNED", returned), yaml=yaml)
    (checked,) = checking.check(models)
    assert said in checked.error
    assert bool(said) == bool(checked.error)
    (version,) = find(models)
    host = headrace_core.Host('{"socket": null, "arena_bytes": 0}')
    host.open(contract(version, open_model(version)))
    assert host.drain(1.0)
