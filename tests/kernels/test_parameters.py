"""What describes a kernel's work refuses what only some implementations would understand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace_kernels.audio.clips import Spectrogram
from headrace_kernels.detection.boxes import Suppression
from headrace_kernels.images.launcher import preprocess_images
from headrace_kernels.images.ragged import packed
from headrace_kernels.images.transform import ImageTransform
from headrace_kernels.padding.padding import Padding
from headrace_kernels.parameters import finite, number, whole

NAN, INFINITY = float("nan"), float("inf")


def transform(**told: Any) -> ImageTransform:
    return ImageTransform(**{"height": 2, "width": 2, **told})


def spectrogram(**told: Any) -> Spectrogram:
    return Spectrogram(**{"hop": 160, "frames": 3, **told})


def suppression(**told: Any) -> Suppression:
    return Suppression(**{"overlap": 0.5, **told})


def padding(**told: Any) -> Padding:
    return Padding(**{"length": 4, **told})


WHOLE: list[tuple[Callable[..., Any], str]] = [
    (transform, "height"),
    (transform, "width"),
    (transform, "fill"),
    (transform, "channels"),
    (spectrogram, "hop"),
    (spectrogram, "frames"),
    (suppression, "most"),
    (padding, "length"),
]
TRUTHS: list[tuple[Callable[..., Any], str]] = [
    (transform, "antialias"),
    (transform, "full_range"),
    (transform, "reverse_channels"),
    (spectrogram, "centred"),
    (spectrogram, "magnitude"),
]
NUMBERS: list[tuple[Callable[..., Any], str]] = [
    (spectrogram, "least"),
    (spectrogram, "scale"),
    (spectrogram, "offset"),
    (spectrogram, "padding"),
    (suppression, "overlap"),
    (suppression, "score"),
    (padding, "value"),
]


@pytest.mark.parametrize(("make", "name"), WHOLE)
@pytest.mark.parametrize("value", [1.0, 9.7, "1", True, np.float32(2), np.True_, None, [1]])
def test_what_must_be_whole_is_no_other_kind(
    make: Callable[..., Any], name: str, value: Any
) -> None:
    with pytest.raises(TypeError, match=f"{name} is .+; expected a whole number"):
        make(**{name: value})


@pytest.mark.parametrize("value", [127.5, 128.0, "128", True])
def test_a_resize_is_to_a_whole_number(value: Any) -> None:
    with pytest.raises(TypeError, match=r"resize_to is .+; expected a whole number"):
        transform(fit="crop", resize_to=value)


@pytest.mark.parametrize(("make", "name"), TRUTHS)
@pytest.mark.parametrize("value", [1, 0.0, "no", None])
def test_a_flag_is_true_or_false(make: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} is .+; expected True or False"):
        make(**{name: value})


@pytest.mark.parametrize(("make", "name"), NUMBERS)
@pytest.mark.parametrize("value", ["1", None, 1j, [1.0]])
def test_a_number_is_no_text(make: Callable[..., Any], name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} is .+; expected a number"):
        make(**{name: value})


@pytest.mark.parametrize("name", ["mean", "scale"])
@pytest.mark.parametrize("value", ["1", True, None])
def test_a_channels_number_is_no_text(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} is .+; expected a number"):
        transform(**{name: (1.0, value, 1.0)})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (transform, {"mean": (0.0, 1e39, 0.0)}),
        (transform, {"scale": (0, 10**400, 0)}),
        (spectrogram, {"scale": INFINITY}),
        (spectrogram, {"offset": NAN}),
        (spectrogram, {"least": 1e39}),
        (suppression, {"overlap": NAN}),
    ],
)
def test_what_single_precision_cannot_hold_is_refused(
    make: Callable[..., Any], told: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(told))} is .+: a finite number is needed"):
        make(**told)


def test_a_least_energy_that_single_precision_takes_for_0_is_refused() -> None:
    with pytest.raises(ValueError, match="least is 1e-50: a number above 0"):
        spectrogram(least=1e-50)


def test_numpys_numbers_become_pythons(shim: Any) -> None:
    images = packed([np.arange(12, dtype=np.uint8).reshape(2, 2, 3)])
    small = transform(
        height=np.int8(100), width=np.uint8(120), fit="crop", resize_to=np.int16(120),
        fill=np.uint8(7), antialias=np.False_, mean=np.arange(1, 4, dtype=np.float32),
        scale=[1, np.int64(2), 3],
    )  # fmt: skip
    plain = transform(
        height=100, width=120, fit="crop", resize_to=120, fill=7, antialias=False,
        mean=(1.0, 2.0, 3.0), scale=(1.0, 2.0, 3.0),
    )  # fmt: skip
    assert small == plain
    assert hash(small) == hash(plain)
    found = preprocess_images(images, small, machine=shim)
    np.testing.assert_array_equal(found, preprocess_images(images, plain, machine=shim))
    assert type(padding(length=np.int8(100)).length) is int


def test_the_checks_say_what_came() -> None:
    assert whole("x", np.int32(3), 0, 3) == 3
    with pytest.raises(ValueError, match="x is 4: 0 to 3 can be had"):
        whole("x", 4, 0, 3)
    assert number("x", 10**400) == INFINITY
    assert np.isnan(number("x", NAN))
    assert finite("x", np.float16(0.5)) == 0.5
