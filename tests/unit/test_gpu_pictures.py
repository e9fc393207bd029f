"""JPEG files that a GPU decodes: what comes of it, and what is told before it is asked."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from headrace_core import jpeg_sizes, preprocess_image_files
from PIL import Image
from tests.kernels.accelerator import ShimAccelerator

from headrace.config.processing import PreprocessImages
from headrace.errors import ModelInvalid
from headrace.models import Context
from headrace.processing import gpu_pictures
from headrace.processing.gpu_pictures import GpuPictures, chunks
from headrace.processing.images import ImageStep
from headrace.processing.implementation import Implementation, Launchers, References
from headrace.processing.jpeg_decoder import JpegDecoder
from headrace_kernels.images.transform import ImageTransform

TRANSFORM = ImageTransform(height=24, width=20, fit="crop", layout="NHWC", dtype="uint8")
#: The core's decoder and libjpeg's round differently: 3 of 255 levels at most in a picture that
#: was made smaller, and half a level on the average.
MOST, MEAN = 3, 0.6


def file(kind: str, height: int = 61, width: int = 48, mode: str = "RGB", **how: Any) -> bytes:
    """Return a smooth picture, as photos are, with a little noise."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(height).normal(0, 4, (height, width, 3))
    levels = np.stack([2 * x + y, 3 * y, 128 + 60 * np.sin(x / 9)], -1) + noise
    picture = Image.fromarray(levels.clip(0, 255).astype(np.uint8)).convert(mode)
    written = io.BytesIO()
    picture.save(written, kind, **how)
    return written.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file("JPEG", quality=90, exif=exif)


JPEGS = {
    "4:4:4": file("JPEG", quality=90, subsampling=0),
    "4:2:0": file("JPEG", quality=90, subsampling=2),
    "grey": file("JPEG", mode="L", quality=90),
    "progressive": file("JPEG", quality=80, progressive=True),
    "on its side": turned(6),
    "mirrored": turned(2),
}
#: Claims more pixels than are decoded: a header alone.
HUGE = JPEGS["grey"].replace((61).to_bytes(2) + (48).to_bytes(2), b"\xff\xf0\xff\xf0", 1)


class ByTheCore:
    """Decodes as the core does: what is laid out is looked at, and not how it was decoded."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        self.asked.append(len(files))
        return [None if b"no GPU" in one else self._one(one) for one in files]

    def _one(self, data: bytes) -> Any:
        (size,) = jpeg_sizes([data])
        assert isinstance(size, tuple)
        height, width = size
        same = ImageTransform(
            height=height, width=width, filter="nearest", layout="NHWC", dtype="uint8"
        )
        made, faults = preprocess_image_files([data], same)
        assert faults == [None]
        return made[0]


def both() -> list[Any]:
    return [
        pytest.param(References(), id="references"),
        pytest.param(Launchers(ShimAccelerator(), "cuda:0"), id="kernels"),
    ]


@pytest.mark.parametrize("kernels", both())
def test_rows_are_as_the_core_makes_them_whoever_decodes(
    kernels: Implementation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_pictures, "MOST_BYTES", 2 * 3 * 61 * 48)
    broken = JPEGS["4:4:4"][:20]
    undecodable = JPEGS["grey"] + b"no GPU"
    upright = [JPEGS[name] for name in ("4:4:4", "4:2:0", "grey")]
    files = [upright[0], file("PNG"), b"no picture", upright[1], HUGE, broken, undecodable]
    files.append(upright[2])
    decoder = ByTheCore()
    made, faults = GpuPictures(TRANSFORM, decoder, kernels).run(files)
    wanted, told = preprocess_image_files(files, TRANSFORM)
    told[6] = "the JPEG image is broken, or of a kind that the GPU does not decode"
    assert faults == told
    assert "65520 x 65520 pixels" in str(faults[4])
    assert decoder.asked == [2, 2], "headers were read before, and memory is bounded"
    wanted[6] = 0
    found = np.asarray(made.get() if hasattr(made, "get") else made)
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


def test_no_files_of_a_kind_are_no_mistake() -> None:
    decoder = ByTheCore()
    pictures = GpuPictures(TRANSFORM, decoder, References())
    for files in ([file("PNG")], [JPEGS["4:4:4"]], [HUGE]):
        made, faults = pictures.run(files)
        assert made.shape == (1, 24, 20, 3)
        assert len(faults) == 1


@pytest.mark.parametrize(
    ("sizes", "most", "want"),
    [
        ([], 5, []),
        ([9], 5, [[0]]),
        ([1, 2, 3, 4], 5, [[0, 1], [2], [3]]),
        ([9, 1, 9], 5, [[0], [1], [2]]),
        ([2, 3], 5, [[0, 1]]),
    ],
)
def test_as_many_at_once_as_there_is_room_for(
    sizes: list[int], most: int, want: list[list[int]]
) -> None:
    assert [list(one) for one in chunks(sizes, most)] == want


def step(decode: str) -> ImageStep:
    said = {"input": "image", "output": "pixels", "height": 24, "width": 20, "decode": decode}
    return ImageStep(PreprocessImages.model_validate(said))


def test_what_is_missing_is_told_when_the_version_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = Context("m", 1, Path()), Context("m", 1, Path(), device="cuda:0")
    step("cpu").load(gpu, References())
    with pytest.raises(ModelInvalid, match=r"decode: gpu needs a GPU: say placement\.gpus"):
        step("gpu").load(cpu, References())
    monkeypatch.setitem(sys.modules, "nvidia.nvimgcodec", None)
    with pytest.raises(ModelInvalid, match=r"pip install 'headrace\[nvimgcodec\]'"):
        step("gpu").load(gpu, References())


def test_nvimagecodec_decodes_as_the_core_does() -> None:
    """Its decoders on the CPU, through the calls that have the GPU decode."""
    pytest.importorskip("nvidia.nvimgcodec")
    pictures = GpuPictures(TRANSFORM, JpegDecoder("cpu"), References())
    files = [*JPEGS.values(), file("PNG"), HUGE, JPEGS["4:4:4"][:700]]
    made, faults = pictures.run(files)
    wanted, told = preprocess_image_files(files, TRANSFORM)
    assert [fault is None for fault in faults] == [fault is None for fault in told]
    for name, found, want in zip(JPEGS, made, wanted, strict=False):
        apart = np.abs(found.astype(int) - want.astype(int))
        assert (apart.max() <= MOST, apart.mean() <= MEAN) == (True, True), (name, apart)


def test_nvimagecodec_without_a_gpu_is_told_when_the_version_loads() -> None:
    pytest.importorskip("nvidia.nvimgcodec")
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ModelInvalid, match="nvImageCodec has no decoder on cuda:0"):
        JpegDecoder("cuda:0")
