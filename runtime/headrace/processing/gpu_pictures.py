"""Files of pictures whose JPEGs are decoded on a GPU, and stay there."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

import numpy as np
from headrace_core import jpeg_sizes, preprocess_image_files

from headrace.processing.implementation import Implementation
from headrace_kernels.images.ragged import RaggedImages
from headrace_kernels.images.transform import DTYPES, ImageTransform

#: Of pictures that are decoded at once, unless one alone has more.
MOST_BYTES: Final = 256 << 20


class Decoder(Protocol):
    """Decodes JPEG files where kernels compute."""

    def decode(self, files: Sequence[bytes]) -> list[Any]: ...


def chunks(sizes: Sequence[int], most: int) -> Iterator[range]:
    """Return runs of neighbours that have at most ``most`` bytes together, or are one alone."""
    first, total = 0, 0
    for at, size in enumerate(sizes):
        if at > first and total + size > most:
            yield range(first, at)
            first, total = at, 0
        total += size
    if first < len(sizes):
        yield range(first, len(sizes))


class GpuPictures:
    """The transform of files. What is no JPEG is decoded by the core, as all are without a GPU."""

    def __init__(
        self, transform: ImageTransform, decoder: Decoder, kernels: Implementation
    ) -> None:
        self._transform, self._decoder, self._kernels = transform, decoder, kernels

    def run(self, files: Sequence[Any]) -> tuple[Any, list[str | None]]:
        """Return pictures where kernels compute, and what is wrong with each file, or None.

        A header is read and held against the core's limits before a GPU's memory is taken.
        """
        # What is no JPEG has None, and a text says what is wrong with one: the core says it again.
        headers = jpeg_sizes(files)
        sizes = {row: header for row, header in enumerate(headers) if isinstance(header, tuple)}
        rows = [row for row in range(len(headers)) if row not in sizes]
        made, told = preprocess_image_files([bytes(files[row]) for row in rows], self._transform)
        faults: list[str | None] = [None] * len(headers)
        for row, fault in zip(rows, told, strict=True):
            faults[row] = fault
        shape = (len(headers), *self._transform.shape(1)[1:])
        out = self._kernels.place(np.zeros(shape, DTYPES[self._transform.dtype]))
        self._lay(out, rows, made)
        jpegs = list(sizes)
        for chunk in chunks([3 * height * width for height, width in sizes.values()], MOST_BYTES):
            taken = [jpegs[at] for at in chunk]
            pictures = self._decoder.decode([bytes(files[row]) for row in taken])
            decoded = [
                (row, picture)
                for row, picture in zip(taken, pictures, strict=True)
                if picture is not None
            ]
            for row in set(taken) - {row for row, _ in decoded}:
                faults[row] = "the JPEG image is broken, or of a kind that the GPU does not decode"
            if decoded:
                self._lay(out, [row for row, _ in decoded], self._made([one for _, one in decoded]))
        return out, faults

    def _made(self, pictures: Sequence[Any]) -> Any:
        shapes = np.array([picture.shape[:2] for picture in pictures], np.int32)
        counts = 3 * shapes.astype(np.int64).prod(axis=1)
        sizes = np.column_stack([shapes, 3 * shapes[:, 1]]).astype(np.int32)
        place = self._kernels.place
        pixels = self._kernels.join(pictures)
        ragged = RaggedImages(pixels, place(np.cumsum(counts) - counts), place(sizes))
        return self._kernels.run("preprocess_images", ragged, self._transform)

    def _lay(self, out: Any, rows: Sequence[int], made: Any) -> None:
        if rows:
            # As bytes: libraries of GPUs know the datatypes of models, and not all can assign them.
            out.view(np.uint8)[list(rows)] = self._kernels.place(made).view(np.uint8)
