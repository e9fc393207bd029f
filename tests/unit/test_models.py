from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from headrace import Batch, Context, Tensor
from headrace.backends.python_class import make
from headrace.errors import ModelInvalid
from headrace.execution.elements import Elements
from headrace.execution.trial import MadeUpRows
from headrace.models.batch import asked, beside, bring


@pytest.mark.parametrize(
    ("name", "datatype", "shape", "said"),
    [
        ("x", "fp32", [1], "'fp32' of tensor 'x' is not one of BOOL"),
        ("x", "FP32", [0], "neither a positive size nor -1"),
        ("x", "FP32", [-2], "neither a positive size nor -1"),
        ("x", "FP32", [1.5], "1.5 is neither"),
        ("x", "FP32", [True], "True is neither"),
        ("", "FP32", [1], "a text that is not empty"),
    ],
)
def test_a_tensor_says_what_is_wrong_with_it(
    name: str, datatype: str, shape: Sequence[int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Tensor(name, datatype, shape)


def test_tensors_are_equal_by_what_they_say() -> None:
    assert Tensor("x", "FP32", [1, -1]) == Tensor("x", "FP32", (1, -1))
    assert Tensor("x", "FP32", [1]) != Tensor("x", "FP32", [2])
    assert len({Tensor("x", "FP32", []), Tensor("x", "FP32", [])}) == 1
    assert repr(Tensor("x", "FP32", [2])) == "Tensor('x', 'FP32', [2])"


def test_a_batch_gives_views_and_copies() -> None:
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    array.flags.writeable = False
    rows = MadeUpRows(3, {"x": array, "s": Elements([b"a", b"b", b"c"], (3, 1))})
    batch = Batch(rows)
    assert batch.rows == 3
    assert batch["x"] is array
    assert bytes(batch["s"][1]) == b"b"
    copy = batch.copy()
    copy["x"][0, 0] = 9
    assert array[0, 0] == 0
    assert copy["s"] == [b"a", b"b", b"c"]
    batch.reject(1, "blurred")
    assert (rows.rejected, batch.live()) == ({1: "blurred"}, [True, False, True])
    batch.reject(0, "half \ud800 a character")
    assert rows.rejected[0] == "half \\ud800 a character"
    with pytest.raises(TypeError, match=r"reject\(\) takes why, a text .* and not NoneType"):
        batch.reject(1, None)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="no input 'z'; the model declares x, s"):
        batch["z"]


def test_a_context_has_a_logger_of_the_versions_name() -> None:
    assert Context("photos", 2, Path("/")).log.name == "headrace.model.photos.2"


MODEL = """
from headrace import Model, Tensor
class One(Model):
    inputs = {inputs}
    outputs = [Tensor("y", "FP32", [1])]
    def load(self, context): ...
    def predict(self, batch): ...
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "should define one class derived from headrace.Model; found: none"),
        ("from headrace import Model", "found: none"),
        (MODEL.format(inputs="[]") + "class Two(One): pass", "found: One, Two"),
        (MODEL.format(inputs="[]"), r"One.inputs is empty"),
        (MODEL.format(inputs="'x'"), r"One.inputs should be a list of headrace.Tensor.*not 'x'"),
        (MODEL.format(inputs="[Tensor('x', 'FP32', [])] * 2"), "names 'x' more than once"),
        (
            MODEL.format(inputs="[Tensor('x', 'FP32', [])]") + "    concurrency = 0",
            "concurrency is a count",
        ),
        ("from headrace import Model\nclass A(Model): pass", r"A does not define predict\(\)$"),
        (
            "from abc import ABC, abstractmethod\nfrom headrace import Model\n"
            "class Base(Model, ABC):\n"
            "    @abstractmethod\n"
            "    def words(self): ...\n"
            "Base.__module__ = 'elsewhere'\n"
            "class A(Base):\n"
            "    def predict(self, batch): ...\n",
            r"A does not define words\(\)$",
        ),
        *(
            (
                MODEL.format(inputs="[Tensor('x', 'FP32', [])]")
                + f"    async def {name}(self, *given): {body}",
                rf"One.{name}\(\) is `async def`: expected a plain function, .*; write `def`",
            )
            for name, body in (("load", "..."), ("predict", "..."), ("example", "yield 1"))
        ),
    ],
)
def test_a_class_that_does_not_say_enough_is_refused(source: str, said: str) -> None:
    module = ModuleType("written")
    module.__dict__["__name__"] = "written"
    exec(source, module.__dict__)
    with pytest.raises(ModelInvalid, match=said):
        make(module, Path("photos/1/model.py"))


def test_a_class_that_says_enough_is_made() -> None:
    module = ModuleType("written")
    exec(MODEL.format(inputs="[Tensor('x', 'FP32', [])]"), module.__dict__)
    assert make(module, Path("model.py")).inputs == [Tensor("x", "FP32", [])]


def test_what_was_made_is_copied_where_it_is_an_array() -> None:
    made = {"ids": np.ones((1, 2), np.int64), "words": ["a"]}
    batch = beside(Batch(MadeUpRows(1, {"x": np.zeros((1, 1), np.float32)})), made)
    copy = batch.copy()
    assert list(copy) == ["x", "ids", "words"]
    copy["ids"][0, 0] = 7
    assert batch["ids"][0, 0] == 1
    assert copy["words"] is made["words"]


def test_a_tensor_is_made_once_and_remembered() -> None:
    placed: list[str] = []

    def place(name: str, array: Any) -> Any:
        placed.append(name)
        return array

    batch = beside(Batch(MadeUpRows(1, {"x": np.zeros(1)}), place), {"z": np.ones(1)})
    bring(batch, ["z", "not there"])
    assert placed == ["z"]
    assert batch.tensor("x") is batch.tensor("x")
    assert (placed, asked(batch)) == (["z", "x"], ("z", "x"))
