"""`pad_ragged`: rows of any length as a rectangle and a mask."""

from functools import partial
from math import isfinite, isnan
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.implementations import Run
from tests.kernels.shim.machine import Shim

from headrace_kernels.padding.launcher import pad_ragged
from headrace_kernels.padding.padding import Padding
from headrace_kernels.padding.reference import pad_ragged as reference

KERNEL = "pad_ragged"

SMALL_NAMES = """
    int4 uint4 float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz float8_e5m2
    float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn
""".split()
# With the masks: each combination that is compiled for the tests.
KINDS = [
    ("int64", "int64"),
    ("int32", "int32"),
    ("float32", "bool"),
    ("float16", "bool"),
    ("uint8", "int64"),
]


def rows_of(lengths: list[int], dtype: str, *width: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return rows of these lengths, all bits of them drawn, and where each begins."""
    dice = np.random.default_rng(3)
    shape = (sum(lengths), *width)
    bits = dice.integers(0, 256, (*shape, np.dtype(dtype).itemsize), dtype=np.uint8)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return bits.reshape(-1).view(dtype).reshape(shape), offsets


def same(run: Run, values: NDArray[Any], offsets: NDArray[np.int64], padding: Padding) -> Any:
    """Return what ``run`` makes of the rows, once it is the reference's to the bit."""
    found = run("pad_ragged", values, offsets, padding)
    for mine, theirs in zip(found, reference(values, offsets, padding), strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_array_equal(mine.view(np.uint8), theirs.view(np.uint8))
    return found


def test_tokens_are_padded_as_torch_pads_them(run: Run) -> None:
    values, offsets = rows_of([3, 0, 7, 1, 5], "int64")
    padded, mask = same(run, values, offsets, Padding(length=7, value=50_256))
    rows = [torch.from_numpy(row) for row in np.split(values, offsets[1:-1])]
    theirs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=50_256)
    np.testing.assert_array_equal(padded, theirs.numpy())
    np.testing.assert_array_equal(mask.sum(1), [3, 0, 7, 1, 5])


def test_the_side_and_what_is_kept_of_too_much(run: Run) -> None:
    values, offsets = np.arange(1, 7, dtype=np.int32), np.array([0, 2, 6], np.int64)
    for side, keep, expected in (
        ("right", "first", [[1, 2, 0], [3, 4, 5]]),
        ("right", "last", [[1, 2, 0], [4, 5, 6]]),
        ("left", "first", [[0, 1, 2], [3, 4, 5]]),
        ("left", "last", [[0, 1, 2], [4, 5, 6]]),
    ):
        padding = Padding(length=3, side=side, keep=keep, mask="int32")  # type: ignore[arg-type]
        padded, mask = same(run, values, offsets, padding)
        np.testing.assert_array_equal(padded, expected)
        np.testing.assert_array_equal(mask, np.array(expected) > 0)


def test_every_bit_of_a_nan_stays(run: Run) -> None:
    odd = np.array([0x7FC12345, 0xFF812345, 0x80000000], np.uint32).view(np.float32)
    padding = Padding(length=4, value=float("nan"), mask="bool")
    padded, _ = same(run, odd, np.array([0, 3], np.int64), padding)
    np.testing.assert_array_equal(padded[0, :3].view(np.uint32), odd.view(np.uint32))
    assert np.isnan(padded[0, 3])


@pytest.mark.parametrize(
    "offsets",
    [[0, 9], [-1, 3], [3, 1], [-(2**63), 2**63 - 1], [2**63 - 1, 2**63 - 1], [9, 9]],
)
def test_a_row_that_does_not_lie_in_the_values_is_empty(offsets: list[int], run: Run) -> None:
    values = np.arange(1, 9, dtype=np.int64)
    starts = np.array([*offsets, 8], np.int64)
    padded, mask = same(run, values, starts, Padding(length=8, value=-1))
    assert (padded[0] == -1).all()
    assert not mask[0].any()


def test_rows_of_a_table_have_a_width(run: Run) -> None:
    values, offsets = rows_of([2, 0, 400, 1], "float32", 7)
    padding = Padding(length=300, side="left", keep="last", mask="bool")
    padded, mask = same(run, values, offsets, padding)
    assert padded.shape == (4, 300, 7)
    np.testing.assert_array_equal(padded[2].view(np.uint8), values[102:402].view(np.uint8))
    assert mask.dtype == np.bool_


def test_a_batch_may_be_empty_or_of_256(run: Run) -> None:
    for lengths in ([], [0], [0, 0], list(range(256))):
        values, offsets = rows_of(lengths, "int64")
        same(run, values, offsets, Padding(length=64))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_rows_and_any_padding(run: Run, data: st.DataObject) -> None:
    dtype, mask = data.draw(st.sampled_from(KINDS))
    lengths = data.draw(st.lists(st.integers(0, 40) | st.integers(1000, 1100), max_size=4))
    width = data.draw(st.sampled_from([(), (1,), (5,)]))
    padding = Padding(
        length=data.draw(st.integers(1, 50) | st.integers(1000, 1100)),
        value=data.draw(st.integers(0, 100)),
        side=data.draw(st.sampled_from(["right", "left"])),
        keep=data.draw(st.sampled_from(["first", "last"])),
        mask=mask,  # type: ignore[arg-type]
    )
    same(run, *rows_of(lengths, dtype, *width), padding)


@pytest.mark.parametrize(
    ("values", "offsets", "padding", "message"),
    [
        (np.zeros(4, np.complex128), [0, 4], {}, "one or two axes of plain numbers"),
        (np.zeros((2, 2, 2)), [0, 2], {}, "one or two axes of plain numbers"),
        (np.zeros((), np.int32), [0, 0], {}, "one or two axes of plain numbers"),
        (np.zeros((4, 0), np.int32), [0, 4], {}, "one or two axes of plain numbers"),
        (np.zeros(8, np.int32)[::2], [0, 4], {}, "values must be contiguous"),
        (np.zeros(4, np.int32), [], {}, "offsets is empty"),
        (
            np.zeros((4, 2), np.int32),
            [0, 4],
            {"length": 65_535 * 1024},
            "is too long: 67107840 at most",
        ),
        (np.zeros(4, np.int32), [0, 4], {"value": 1 << 40}, "no int32 is that"),
    ],
)
def test_what_cannot_be_padded_is_refused(
    values: NDArray[Any], offsets: list[int], padding: dict[str, Any], message: str, shim: Shim
) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError), match=message):
        pad_ragged(
            values,
            np.array(offsets, np.int64),
            Padding(**{"length": 4, **padding}),
            machine=shim,
        )
    assert not shim.launches


@pytest.mark.parametrize("wrong", [{"length": 0}, {"side": "top"}, {"keep": "all"}, {"mask": "f4"}])
def test_a_padding_that_cannot_be_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        Padding(**{"length": 4, **wrong})


SMALL = {name: np.dtype(getattr(ml_dtypes, name)) for name in SMALL_NAMES}


@pytest.mark.parametrize("name", SMALL)
def test_the_smallest_numbers_are_padded_too(name: str, run: Run) -> None:
    values = np.arange(4, dtype=np.uint8).view(SMALL[name])
    value = 2 if name == "float8_e8m0fnu" else 0
    padded, _ = same(run, values, np.array([0, 1, 4], np.int64), Padding(length=3, value=value))
    expected = np.array([[0, 9, 9], [1, 2, 3]], np.uint8)
    expected[expected == 9] = np.array(value).astype(SMALL[name]).view(np.uint8)
    np.testing.assert_array_equal(padded.view(np.uint8), expected)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("value", [1e6, -1e6, 0, -1, 0.5, float("nan"), float("inf"), 2**70])
def test_a_small_type_is_the_value_or_refuses_it(name: str, value: float) -> None:
    with np.errstate(all="ignore"):
        cast = float(np.array(float(value)).astype(SMALL[name]).astype(np.float64))
    same = cast == value or (isnan(cast) and isnan(value))
    # A float may be rounded: to a power of two, where it has no more than an exponent.
    finite = isfinite(cast) and isfinite(value)
    near = "float" in name and finite and abs(cast - value) <= abs(value) / 2
    padding = Padding(length=1, value=value)
    if same or near:
        np.testing.assert_equal(float(padding.item(SMALL[name]).astype(np.float64)), cast)
    else:
        with pytest.raises(ValueError, match=f"no {name} is that"):
            padding.item(SMALL[name])


@pytest.mark.parametrize("dtype", ["complex64", "M8[s]", "m8[s]", "S4", "V4", "i2,i2"])
def test_what_is_no_number_is_not_padded(dtype: str, shim: Shim) -> None:
    values, offsets = np.zeros(4, dtype), np.array([0, 4], np.int64)
    for pad in (partial(pad_ragged, machine=shim), reference):
        with pytest.raises(TypeError, match=r"items of .+ are not padded"):
            pad(values, offsets, Padding(length=5))


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0.7, "int64"),
        (2.0, "bool"),
        (300, "uint8"),
        (-1, "uint8"),
        (1e9, "float16"),
        (2**63, "int64"),
        (2**70, "uint64"),
        (float("nan"), "int32"),
        (10**400, "float64"),
    ],
)
def test_a_value_that_a_type_does_not_have_is_refused(value: float, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"no {dtype} is that"):
        Padding(length=2, value=value).bits(np.dtype(dtype))
    assert Padding(length=2, value=2**63).bits(np.dtype(np.uint64)) == 1 << 63
    assert Padding(length=2, value=np.uint64(2**64 - 1)).bits(np.dtype(np.uint64)) == 2**64 - 1  # type: ignore[arg-type]
    assert Padding(length=2, value=True).bits(np.dtype(np.bool_)) == 1
    assert Padding(length=2, value=float("-inf")).bits(np.dtype(np.float16)) == 0xFC00
    assert Padding(length=2, value=0.1).bits(np.dtype(np.float32)) == 0x3DCC_CCCD
