"""`preprocess_images`: files of pictures become a model's input."""

from collections.abc import Mapping, Sequence
from typing import Any

from headrace_core import preprocess_image_files

from headrace.config.processing import PreprocessImages
from headrace.models import Batch, Tensor
from headrace.processing.pixel import PIXEL
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES
from headrace_kernels.images.transform import ImageTransform, Output


class ImageStep(Step):
    """Decodes, resizes and normalises in the core, outside the interpreter."""

    name = "preprocess_images"

    def __init__(self, said: PreprocessImages) -> None:
        """Keep what model.yaml says.

        Raises:
            TypeError, ValueError: there is no such transform.
        """
        self._said = said
        self.takes = (said.input,)
        dtype: Output = NUMPY_NAMES[said.datatype]  # type: ignore[assignment]
        self._transform = ImageTransform(
            height=said.height,
            width=said.width,
            fit=said.fit,
            resize_to=said.resize_to,
            filter=said.filter,
            antialias=said.antialias,
            reverse_channels=said.bgr,
            mean=tuple(said.divide_by * mean for mean in said.mean),
            scale=tuple(1 / (said.divide_by * std) for std in said.std),
            layout=said.layout,
            dtype=dtype,
            fill=said.fill,
        )

    def asks(self) -> Sequence[Tensor]:
        """Return the file."""
        return [Tensor(self._said.input, "BYTES", [1])]

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the picture."""
        return [Tensor(self._said.output, self._said.datatype, self._transform.shape(1)[1:])]

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return pictures; whose file is none is told so."""
        pictures, faults = preprocess_image_files(taken[0], self._transform)
        for row, fault in enumerate(faults):
            if fault is not None:
                batch.reject(row, fault)
        return {self._said.output: pictures}

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return files of a pixel."""
        return {self._said.input: [PIXEL] * rows}
