from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from headrace import Tensor
from headrace.errors import ModelBroken
from headrace.execution.outputs import to_host, verify

Y = Tensor("y", "FP32", [2])
S = Tensor("s", "BYTES", [2])
ANY = Tensor("s", "BYTES", [-1])


@pytest.mark.parametrize(
    ("declared", "outputs", "said"),
    [
        ([Y], {"y": np.zeros((3, 2), np.float32)}, ""),
        ([Y], {}, r"declared outputs \['y'\], but returned \[\]"),
        ([Y], {"z": 1}, r"returned \['z'\]"),
        ([Y], {"y": np.zeros((3, 2))}, r"as FP32\[3, 2\] .* but returned FP64\[3, 2\]"),
        ([Y], {"y": np.zeros((2, 2), np.float32)}, r"returned FP32\[2, 2\]"),
        ([Y], {"y": np.zeros((3, 2, 1), np.float32)}, r"returned FP32\[3, 2, 1\]"),
        (
            [Y],
            {"y": [[0.0, 0.0]] * 3},
            r"list, which is no array: numpy.array\(it, 'float32'\)",
        ),
        ([Y], {"y": 1.0}, "returned an object of type float, which is no array"),
        ([Y], {"y": np.zeros((3, 2), ">f4")}, r"returned an array of >f4 with shape \[3, 2\]"),
        ([Y], {"y": np.zeros((3, 2), complex)}, "returned an array of <c16"),
        ([Y], {"y": memoryview(np.zeros((3, 2), np.float32).data)}, ""),
        ([Tensor("y", "FP32", [-1])], {"y": np.zeros((3, 7), np.float32)}, ""),
        ([S], {"s": [b"a"] * 6}, ""),
        ([S], {"s": ["a"] * 6}, ""),
        ([S], {"s": np.full((3, 2), "a", object)}, ""),
        ([S], {"s": [b"a"] * 5}, r"returned BYTES\[5\]"),
        ([S], {"s": [["a", b"b"]] * 3}, ""),
        ([S], {"s": [["a", b"b"], ["c"], ["d", "e"]]}, "lists of differing lengths, 1 and 2"),
        ([S], {"s": [["a", ["b"]]] * 3}, "lists of differing depth"),
        ([S], {"s": np.full(6, "a", object)}, r"returned BYTES\[6\]"),
        ([S], {"s": np.full((3, 2), 1, object)}, "an element of type int; elements are bytes or"),
        ([S], {"s": [1] * 6}, "an element of type int"),
        ([S], {"s": "aaaaaa"}, "returned an object of type str$"),
        ([Tensor("s", "BYTES", [])], {"s": [b"a"] * 3}, ""),
        # Nothing tells how many of a flat list's elements a row has, also where they divide.
        ([ANY], {"s": [b"a"] * 9}, r"as BYTES\[3, -1\] .* returned BYTES\[9\]: a flat list does"),
        ([ANY], {"s": [b"a"] * 3}, r"returned BYTES\[3\]: a flat list"),
        ([ANY], {"s": [[b"a"] * 3] * 3}, ""),
        ([ANY], {"s": np.full((3, 3), "a")}, ""),
    ],
)
def test_outputs_are_what_was_declared_or_the_difference_is_told(
    declared: Sequence[Tensor], outputs: Mapping[str, Any], said: str
) -> None:
    if said:
        with pytest.raises(ModelBroken, match=said):
            verify(declared, 3, outputs)
    else:
        verify(declared, 3, outputs)


def test_a_model_returns_a_mapping() -> None:
    with pytest.raises(ModelBroken, match="a dict of output name to array, not ndarray"):
        to_host(np.zeros(3))
