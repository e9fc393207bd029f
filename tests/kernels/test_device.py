"""What only a device can show: streams, graphs, and that nothing waits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.kernels.implementations import each_array, no_device

from headrace_kernels.images.launcher import preprocess_images
from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.reference import preprocess_images as reference
from headrace_kernels.images.transform import ImageTransform

pytestmark = pytest.mark.gpu
TRANSFORM = ImageTransform(height=32, width=24)


@pytest.fixture
def cupy() -> Iterator[Any]:
    why = no_device()
    if why:
        pytest.skip(why)
    import cupy

    with cupy.cuda.Stream(non_blocking=True):
        yield cupy


@pytest.fixture
def images() -> RaggedImages:
    dice = np.random.default_rng(1)
    return packed([dice.integers(0, 256, (50, 40, 3), dtype=np.uint8) for _ in range(4)])


def test_a_graph_holds_a_launch(cupy: Any, images: RaggedImages) -> None:
    there: RaggedImages = each_array(images, cupy.asarray)
    out = cupy.zeros(TRANSFORM.shape(4), np.float32)
    preprocess_images(there, TRANSFORM, out=out)  # compiled and loaded before the capture
    out.fill(-1)
    stream = cupy.cuda.get_current_stream()
    stream.begin_capture()
    preprocess_images(there, TRANSFORM, out=out)
    graph = stream.end_capture()
    assert (cupy.asnumpy(out) == -1).all()
    graph.launch(stream)
    np.testing.assert_array_equal(cupy.asnumpy(out), reference(images, TRANSFORM))


def test_a_launch_waits_for_its_stream_and_its_caller_for_nothing(
    cupy: Any, images: RaggedImages
) -> None:
    there: RaggedImages = each_array(images, cupy.asarray)
    out = cupy.zeros(TRANSFORM.shape(4), np.float32)
    preprocess_images(there, TRANSFORM, out=out)
    busy = cupy.zeros((8192, 8192), np.float32)
    before, after = cupy.cuda.Event(), cupy.cuda.Event()
    for _ in range(20):
        busy @ busy
    before.record()
    preprocess_images(there, TRANSFORM, out=out)
    after.record()
    assert not before.done, "the launch waited for what its stream had to do"
    after.synchronize()
    np.testing.assert_array_equal(cupy.asnumpy(out), reference(images, TRANSFORM))


def test_an_array_of_the_host_is_refused(cupy: Any, images: RaggedImages) -> None:
    with pytest.raises(TypeError, match="pixels is ndarray, not an array on a device"):
        preprocess_images(images, TRANSFORM)
