"""Whether an implementation's images are those of another: to the bit, or as near as it says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.kernels.implementations import Run

from headrace_kernels.images.ragged import RaggedImages
from headrace_kernels.images.reference import preprocess_images as reference
from headrace_kernels.images.transform import ImageTransform


def same(run: Run, images: RaggedImages, transform: ImageTransform) -> NDArray[Any]:
    """Return what ``run`` makes of ``images``, once it is the reference's."""
    result: NDArray[Any] = run("preprocess_images", images, transform)
    agrees(run, result, reference(images, transform), transform)
    return result


def agrees(
    run: Run, result: NDArray[Any], expected: NDArray[Any], transform: ImageTransform
) -> None:
    """Raise if ``result`` is further from ``expected`` than ``run`` may be."""
    assert result.dtype == expected.dtype
    if run.levels_apart and transform.antialias and transform.filter != "nearest":
        scale = max(map(abs, transform.scale))
        share = {"float32": 2.0**-22, "uint8": 0}.get(transform.dtype, 2.0**-7)
        rounding = share * np.abs(expected.astype(np.float64)) + (transform.dtype == "uint8")
        apart = np.abs(result.astype(np.float64) - expected.astype(np.float64))
        assert (apart <= run.levels_apart * scale + rounding).all()
    else:
        np.testing.assert_array_equal(result.view(np.uint8), expected.view(np.uint8))


def levels_agree(run: Run, result: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Raise if levels are further apart than ``run`` may be, or more than a hundredth differ."""
    apart = np.abs(result.astype(int) - expected)
    assert apart.max(initial=0) <= run.levels_apart
    assert (apart > 0).mean() <= 0.01 * (run.levels_apart > 0)
