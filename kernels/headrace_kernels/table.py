"""Every kernel, one row each: what the tests compile, run and compare."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headrace_kernels.audio import launcher as audio
from headrace_kernels.audio import reference as audio_reference
from headrace_kernels.detection import launcher as detection
from headrace_kernels.detection import reference as detection_reference
from headrace_kernels.images import launcher as images
from headrace_kernels.images import reference as images_reference
from headrace_kernels.images.transform import ImageTransform
from headrace_kernels.launch import FLOATS, Kernel
from headrace_kernels.padding import launcher as padding
from headrace_kernels.padding import reference as padding_reference
from headrace_kernels.ranking import launcher as ranking
from headrace_kernels.ranking import reference as ranking_reference
from headrace_kernels.tabular import launcher as tabular
from headrace_kernels.tabular import reference as tabular_reference


@dataclass(frozen=True, slots=True)
class Row:
    """A kernel: its launcher, the reference of the same signature, and what they compile."""

    launcher: Callable[..., Any]
    reference: Callable[..., Any]
    # Every choice that a launcher can make, at least once; not every combination.
    kernels: tuple[Kernel, ...]


def _images() -> tuple[Kernel, ...]:
    grey: dict[str, Any] = {"channels": 1, "mean": (0.0,), "scale": (1.0,)}
    plain = {"antialias": False}
    choices: tuple[dict[str, Any], ...] = (
        {"filter": "nearest"},
        {"filter": "nearest", "dtype": "uint8", **grey},
        {"filter": "bilinear"},
        {"filter": "bilinear", "dtype": "float16"},
        {"filter": "bilinear", "source": "nv12"},
        {"filter": "bicubic", "dtype": "bfloat16"},
        {"filter": "bicubic", "dtype": "uint8", **grey},
        {"filter": "bicubic", "source": "i420"},
        {"filter": "bilinear", **plain},
        {"filter": "bilinear", "dtype": "float16", **plain, **grey},
        {"filter": "bilinear", "source": "i420", **plain},
        {"filter": "bicubic", "dtype": "bfloat16", **plain},
        {"filter": "bicubic", "source": "nv12", **plain},
    )
    return tuple(
        images.kernel(ImageTransform(height=224, width=224, **choice)) for choice in choices
    )


TABLE: dict[str, Row] = {
    "preprocess_images": Row(
        images.preprocess_images, images_reference.preprocess_images, _images()
    ),
    "pad_ragged": Row(
        padding.pad_ragged,
        padding_reference.pad_ragged,
        tuple(padding.kernel(*sizes) for sizes in ((1, 1), (2, 4), (4, 8), (8, 8))),
    ),
    "softmax_top_k": Row(
        ranking.softmax_top_k,
        ranking_reference.softmax_top_k,
        tuple(
            ranking.kernel(kind, k) for kind, k in zip(FLOATS, (1, 5, ranking.MAX_K), strict=True)
        ),
    ),
    "log_mel": Row(
        audio.log_mel,
        audio_reference.log_mel,
        tuple(audio.kernel(*one) for one in (("int16", 400), ("float32", 400), ("float32", 2048))),
    ),
    "suppress_boxes": Row(
        detection.suppress_boxes, detection_reference.suppress_boxes, (detection.KERNEL,)
    ),
    "encode_features": Row(
        tabular.encode_features,
        tabular_reference.encode_features,
        tuple(tabular.kernel(kind) for kind in FLOATS),
    ),
}
