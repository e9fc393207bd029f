import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace.cli import exchange
from headrace.execution.payload import PayloadInvalid, read
from headrace.models import Tensor

X = Tensor("x", "FP32", [2])
TEXT = Tensor("text", "BYTES", [1])


def request(**facts: Any) -> str:
    entry = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2], **facts}
    return json.dumps({"inputs": [entry]})


@pytest.mark.parametrize(
    ("content", "inputs", "said"),
    [
        (request(shape=[3]), [X], r"'x' has 2 values, and its shape \[3\] needs 3"),
        (request(data=None), [X], "'x' has 1 values"),
        (request(shape="a"), [X], r"expected a shape like \[1, 2\], not \"a\""),
        (request(shape=[-1, 2]), [X], "expected a shape like"),
        (request(shape=[True, 2]), [X], "expected a shape like"),
        (request(shape=None), [X], "expected a shape like .*, not null"),
        (request(shape=[10**30]), [X], "'x' has 2 values"),
        (request(datatype="FLOAT"), [X], "says datatype FLOAT; the model takes FP32"),
        (request(datatype=5), [X], "says datatype 5; the model takes FP32"),
        ('{"inputs": [5]}', [X], "each of inputs should have name, shape"),
        ('{"inputs": []}', [X], r"has no input; the model takes x FP32\[2\]"),
        ("{}", [X], "has no input; the model takes x"),
        ("[[5]]", [TEXT], "expected texts in lists of equal lengths, not 5"),
        ("null", [TEXT], "expected texts in lists of equal lengths, not null"),
        ('[["a"], ["b", "c"]]', [TEXT], "expected texts in lists of equal lengths"),
    ],
)
def test_json_that_does_not_fit_is_explained(
    tmp_path: Path, content: str, inputs: list[Tensor], said: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(PayloadInvalid, match=said):
        read(tmp_path / "x.json", inputs)


def test_an_input_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    entry = json.loads(request())["inputs"]
    (tmp_path / "x.json").write_text(json.dumps({"inputs": entry * 2}))
    with pytest.raises(PayloadInvalid, match="has x, x; the model takes"):
        read(tmp_path / "x.json", [X])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones((1, 1)), "is BYTES, but the file holds float64"),
        (np.array([["2020-01-01"]], "M8[D]"), r"is BYTES, but the file holds datetime64"),
        (np.array([[b"\xff\xfe"]]), "is no UTF-8, which JSON cannot say"),
    ],
)
def test_what_is_no_text_is_refused_as_bytes(tmp_path: Path, array: Any, said: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(PayloadInvalid, match=said):
        exchange.call("h:1", "models/m", read(tmp_path / "x.npy", [TEXT]), [TEXT], [])


def test_a_file_that_is_no_array_is_explained(tmp_path: Path) -> None:
    whole = io.BytesIO()
    np.save(whole, np.ones((1, 2), np.float32))
    for content in (b"", b"garbage", whole.getvalue()[:-1]):
        (tmp_path / "x.npy").write_bytes(content)
        with pytest.raises(PayloadInvalid, match=r"x\.npy cannot be read as a \.npy array"):
            read(tmp_path / "x.npy", [X])
