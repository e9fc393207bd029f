"""What others make of a batch of images on a GPU: the same tensor, or nearly, by their own kernels.

Written from their documentation: DALI's pipeline was run on its CPU backend, nothing else of this
ever. Whoever runs it first looks at how far from the reference they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from headrace_kernels.images.transform import ImageTransform

# Of a batch of host images; the result has `__cuda_array_interface__` or DLPack.
Make = Callable[[Any, list[Any], ImageTransform], Callable[[], Any]]


@dataclass(frozen=True)
class Peer:
    """A library, and what calls it: everything that can be made before is."""

    module: str
    package: str
    make: Make

    def missing(self) -> str | None:
        """Return that it is not installed, and what to install, or None."""
        try:
            found = find_spec(self.module)
        except ModuleNotFoundError:  # not even what it would be a part of
            found = None
        return None if found else f"not installed ({self.package})"


def torchvision(cupy: Any, batch: list[Any], transform: ImageTransform) -> Callable[[], Any]:
    """Resize image after image, for it takes no batch of several sizes; then all at once."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional as vision

    there = [torch.from_numpy(image).cuda().permute(2, 0, 1) for image in batch]
    size = [transform.height, transform.width]
    mode = InterpolationMode(transform.filter)
    mean = [value / 255 for value in transform.mean]
    std = [1 / (255 * value) for value in transform.scale]

    def call() -> Any:
        resized = [vision.resize(one, size, mode, antialias=transform.antialias) for one in there]
        stacked = vision.to_dtype(torch.stack(resized), torch.float32, scale=True)
        return vision.normalize(stacked, mean, std)

    return call


def cvcuda(cupy: Any, batch: list[Any], transform: ImageTransform) -> Callable[[], Any]:
    """Resize a batch of several sizes, and then all the rest in one operator."""
    import cvcuda

    count, stream = len(batch), cvcuda.Stream()
    images = cvcuda.ImageBatchVarShape(count)
    arrays = [cupy.asarray(image) for image in batch]
    images.pushback([cvcuda.as_image(one, cvcuda.Format.RGB8) for one in arrays])
    size = transform.height, transform.width
    whole = np.tile(np.array([0, 0, size[1], size[0]], np.int32), (count, 1, 1, 1))
    constants = {
        "rect": (whole, "NHWC"),
        "flip_code": (np.full((count, 1), 2, np.int32), "NC"),  # 2: not at all
        "base": (np.array(transform.mean, np.float32).reshape(1, 1, 1, 3), "NHWC"),
        "scale": (np.array(transform.scale, np.float32).reshape(1, 1, 1, 3), "NHWC"),
    }
    there = {
        name: cvcuda.as_tensor(cupy.asarray(array), layout)
        for name, (array, layout) in constants.items()
    }
    filters = {"bilinear": cvcuda.Interp.LINEAR, "bicubic": cvcuda.Interp.CUBIC}

    def call() -> Any:
        resized = cvcuda.hq_resize(
            images,
            [size] * count,
            antialias=transform.antialias,
            interpolation=filters[transform.filter],
            stream=stream,
        )
        return cvcuda.crop_flip_normalize_reformat(
            resized,
            out_shape=transform.shape(count),
            out_dtype=np.float32,
            out_layout="NCHW",
            flags=0,
            stream=stream,
            **there,
        ).cuda()

    return call


def dali(cupy: Any, batch: list[Any], transform: ImageTransform) -> Callable[[], Any]:
    """Run a pipeline that is fed from the device's memory, and prefetches as it likes."""
    from nvidia.dali import fn, pipeline_def, types

    arrays = [cupy.asarray(image) for image in batch]
    filters = {"bilinear": types.INTERP_LINEAR, "bicubic": types.INTERP_CUBIC}

    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=len(batch), num_threads=1, device_id=0
    )
    def pipeline() -> Any:
        images = fn.external_source(source=lambda: arrays, device="gpu", layout="HWC", no_copy=True)
        resized = fn.resize(
            images,
            size=[transform.height, transform.width],
            interp_type=filters[transform.filter],
            antialias=transform.antialias,
        )
        return fn.crop_mirror_normalize(
            resized,
            mean=list(transform.mean),
            std=[1 / value for value in transform.scale],
            dtype=types.FLOAT,
            output_layout="CHW",
        )

    built = pipeline()
    built.build()

    def call() -> Any:
        (result,) = built.run()
        return result.as_tensor()

    return call


PEERS: dict[str, Peer] = {
    "torchvision": Peer("torchvision", "torchvision", torchvision),
    "CV-CUDA": Peer("cvcuda", "cvcuda-cu13", cvcuda),
    "DALI": Peer("nvidia.dali", "nvidia-dali-cuda130", dali),
}
