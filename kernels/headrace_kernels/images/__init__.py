"""From a ragged batch of decoded images to a model's input tensor."""

from headrace_kernels.images.launcher import preprocess_images
from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.transform import ImageTransform

__all__ = ["ImageTransform", "RaggedImages", "packed", "preprocess_images"]
