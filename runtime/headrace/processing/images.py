"""`preprocess_images`: files of pictures become a model's input."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace_core import preprocess_image_files

from headrace.config.processing import PreprocessImages
from headrace.errors import ModelInvalid
from headrace.models import Batch, Context, Tensor
from headrace.processing.gpu_pictures import GpuPictures
from headrace.processing.implementation import Implementation
from headrace.processing.jpeg_decoder import JpegDecoder
from headrace.processing.pixel import PIXEL
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES
from headrace_kernels.images.transform import ImageTransform, Output


class ImageStep(Step):
    """Decodes, resizes and normalises in the core, outside the interpreter, or on a GPU."""

    name = "preprocess_images"

    def __init__(self, said: PreprocessImages) -> None:
        """Keep what model.yaml says.

        Raises:
            TypeError, ValueError: there is no such transform.
        """
        self._said = said
        self.takes = (said.input,)
        self.uses_kernels = said.decode == "gpu"
        self._files: Callable[[Any], tuple[Any, Sequence[str | None]]] = self._in_core
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

    def load(self, context: Context, kernels: Implementation) -> None:
        """Have the GPU decode, where model.yaml says so.

        Raises:
            ModelInvalid: there is none, or what decodes there is not installed.
        """
        if self._said.decode == "cpu":
            return
        if context.device == "cpu":
            raise ModelInvalid(
                "preprocess_images with decode: gpu needs a GPU: say placement.gpus, or decode: cpu"
            )
        decoder = JpegDecoder(context.device)
        self._files = GpuPictures(self._transform, decoder, kernels).run

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return pictures; whose file is none is told so."""
        pictures, faults = self._files(taken[0])
        for row, fault in enumerate(faults):
            if fault is not None:
                batch.reject(row, fault)
        return {self._said.output: pictures}

    def _in_core(self, files: Any) -> tuple[Any, Sequence[str | None]]:
        return preprocess_image_files(files, self._transform)

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return files of a pixel."""
        return {self._said.input: [PIXEL] * rows}
