"""What a model may return, and what its callers are told when it may not."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import headrace_core
import ml_dtypes
import numpy as np
import pytest
import tritonclient.utils

ROWS = np.array([[1, 2], [3, 4]], np.float32)
WORDS = [[b"a", b"bc"], [b"", "é".encode()]]


class Returning:
    """Returns what it was made with, and keeps what it was told."""

    def __init__(self, outputs: Any) -> None:
        self.outputs = outputs
        self.told: list[str | None] = []

    def __call__(self, batch: headrace_core.Batch) -> None:
        self.told.append(batch.complete(self.outputs))


class Exchange:
    """Only speaks DLPack."""

    def __dlpack__(self, **how: Any) -> Any:
        return ROWS.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        return ROWS.__dlpack_device__()


class Protocol:
    """Only speaks NumPy's array protocol."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return ROWS


@pytest.mark.parametrize(
    "make",
    [
        lambda: ROWS,
        lambda: np.asfortranarray(ROWS),
        lambda: np.repeat(ROWS, 2, axis=1)[:, ::2],
        lambda: ROWS[::-1][::-1],
        lambda: memoryview(ROWS),  # type: ignore[arg-type]
        Exchange,
        Protocol,
    ],
)
def test_arrays_of_any_making_are_taken(rig: Any, make: Callable[[], Any]) -> None:
    model = Returning({"y": make()})
    rig.open(model)
    assert rig.ask(np.zeros((2, 1), np.float32)).tolist() == ROWS.tolist()
    assert rig.shut()
    assert model.told == [None]


def test_torch_tensors_are_taken_whatever_their_history(rig: Any) -> None:
    torch = pytest.importorskip("torch")
    grown = torch.from_numpy(ROWS.copy()).requires_grad_() * 1
    for outputs in ({"y": grown}, {"y": torch.from_numpy(ROWS.T.copy()).T}):
        rig.open(Returning(outputs), model=f"m{id(outputs)}")
        answer = rig.ask(np.zeros((2, 1), np.float32), model=f"m{id(outputs)}")
        assert answer.tolist() == ROWS.tolist()


def test_bfloat16_is_taken_from_torch_and_ml_dtypes(rig: Any) -> None:
    torch = pytest.importorskip("torch")
    halves = torch.from_numpy(ROWS.copy()).to(torch.bfloat16)
    for name, value in (("torch", halves), ("numpy", ROWS.astype(ml_dtypes.bfloat16))):
        rig.open(Returning({"y": value}), model=name, outputs=[("y", "BF16", [2])])
        assert rig.ask(np.zeros((2, 1), np.float32), model=name).tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    "value",
    [
        WORDS,
        [element for row in WORDS for element in row],
        tuple(tuple(row) for row in WORDS),
        [["a", "bc"], ["", "é"]],
        [[bytearray(b"a"), memoryview(b"bc")], [b"", np.bytes_("é".encode())]],
        np.array(WORDS, np.object_),
        np.array(WORDS, np.object_).T.copy().T,
        np.array(WORDS),
        np.array([["a", "bc"], ["", "é"]]),
    ],
)
def test_strings_of_any_making_are_taken(rig: Any, value: Any) -> None:
    model = Returning({"y": value})
    rig.open(model, outputs=[("y", "BYTES", [2])])
    assert rig.ask(np.zeros((2, 1), np.float32)).tolist() == WORDS
    assert rig.shut()
    assert model.told == [None]


def test_any_mapping_is_taken(rig: Any) -> None:
    rig.open(Returning(MappingProxyType({"y": ROWS})))
    assert rig.ask(np.zeros((2, 1), np.float32)).tolist() == ROWS.tolist()


FP32 = "declared output 'y' as FP32[2,2] for this batch of 2 rows, but returned "
BYTES = "declared output 'y' as BYTES[2,2] for this batch of 2 rows, but returned "


@pytest.mark.parametrize(
    ("datatype", "outputs", "want"),
    [
        ("FP32", {"z": ROWS}, 'declared outputs ["y"], but returned ["z"]'),
        ("FP32", {}, 'declared outputs ["y"], but returned []'),
        ("FP32", {"y": ROWS, "z": ROWS}, 'but returned ["y", "z"]'),
        ("FP32", ROWS, 'but returned ["an object of type ndarray"]'),
        ("FP32", None, 'but returned ["an object of type NoneType"]'),
        ("FP32", {"y": ROWS.astype(np.float64)}, FP32 + "FP64[2,2]"),
        ("FP32", {"y": ROWS[:1]}, FP32 + "FP32[1,2]"),
        ("FP32", {"y": ROWS[:, :1]}, FP32 + "FP32[2,1]"),
        ("FP32", {"y": ROWS.ravel()}, FP32 + "FP32[4]"),
        ("FP32", {"y": np.float32(1)}, FP32 + "FP32[]"),
        ("FP32", {"y": ROWS.astype(">f4")}, FP32 + "an array of >f4"),
        ("FP32", {"y": ROWS.astype(np.complex64)}, FP32 + "an array of complex64"),
        (
            "FP32",
            {"y": [[1.0, 2.0], [3.0, 4.0]]},
            FP32
            + "an object of type list, which is no array: numpy.array(it, 'float32') makes one",
        ),
        (
            "FP32",
            {"y": 3},
            FP32 + "an object of type int, which is no array: numpy.array(it, 'float32') makes one",
        ),
        ("FP32", {"y": np.array(WORDS, np.object_)}, FP32 + "BYTES[2,2]"),
        ("BYTES", {"y": ROWS}, BYTES + "FP32[2,2]"),
        ("BYTES", {"y": "text"}, BYTES + "an object of type str"),
        ("BYTES", {"y": b"text"}, BYTES + "an object of type bytes"),
        ("BYTES", {"y": [[1, 2], [3, 4]]}, BYTES + "an element of type int"),
        ("BYTES", {"y": [["a"], ["b", "c"]]}, BYTES + "lists of differing lengths, 1 and 2"),
        ("BYTES", {"y": [["a", "b"], "c"]}, BYTES + "lists of differing depth"),
        ("BYTES", {"y": ["a", ["b"]]}, BYTES + "lists of differing depth"),
        ("BYTES", {"y": ["a", "b", "c"]}, BYTES + "BYTES[3]"),
        ("BYTES", {"y": [["\ud800", "b"], ["c", "d"]]}, BYTES + "a str that is no UTF-8"),
    ],
)
def test_what_was_not_declared_is_told(rig: Any, datatype: str, outputs: Any, want: str) -> None:
    model = Returning(outputs)
    rig.open(model, outputs=[("y", datatype, [2])])
    with pytest.raises(tritonclient.utils.InferenceServerException) as told:
        rig.ask(np.zeros((2, 1), np.float32))
    assert told.value.status() == "StatusCode.INTERNAL"
    message = str(told.value.message())
    assert "model 'm' version 1 " in message
    assert want in message
    assert rig.shut()
    assert model.told[0] is not None
    assert model.told[0] in message


def test_a_list_that_holds_itself_ends(rig: Any) -> None:
    endless: list[Any] = []
    endless.append(endless)
    rig.open(Returning({"y": endless}), outputs=[("y", "BYTES", [2])])
    with pytest.raises(tritonclient.utils.InferenceServerException, match="nested deeper than"):
        rig.ask(np.zeros((1, 1), np.float32))
