"""`log_mel`: clips of sound become a model's input."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headrace.config.processing import LogMel
from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation
from headrace.processing.ragged import rows_of
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES
from headrace_kernels.audio import MelFilters, RaggedClips, Spectrogram, mel_filters


class LogMelStep(Step):
    """Spectrograms of clips."""

    name = "log_mel"
    uses_kernels = True

    def __init__(self, said: LogMel) -> None:
        """Work out the filters.

        Raises:
            TypeError, ValueError: there are no such filters, or no such spectrogram.
        """
        self._said = said
        self.takes = (said.input,)
        self._mel = mel_filters(said.rate, said.window, said.mels, top_hz=said.top_hz)
        self._spectrogram = Spectrogram(
            hop=said.hop,
            frames=said.frames,
            centred=said.centred,
            magnitude=said.magnitude,
            least=said.least,
            scale=said.scale,
            offset=said.offset,
            padding=said.padding,
        )

    def asks(self) -> Sequence[Tensor]:
        """Return the samples."""
        return [Tensor(self._said.input, self._said.samples, [-1])]

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the spectrogram, and how many frames of it the clip has."""
        said = self._said
        made = [Tensor(said.output, "FP32", [said.mels, said.frames])]
        return made + ([Tensor(said.lengths, "INT32", [])] if said.lengths is not None else [])

    def load(self, context: Context, kernels: Implementation) -> None:
        """Place the filters."""
        self._kernels = kernels
        mel = self._mel
        self._placed = MelFilters(*map(kernels.place, (mel.window, mel.filters, mel.spans)))

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return the spectrograms of a batch."""
        clips = RaggedClips(*map(self._kernels.place, rows_of(self._said.input, taken[0], batch)))
        features, counts = self._kernels.run("log_mel", clips, self._placed, self._spectrogram)
        made = {self._said.output: features}
        return made if self._said.lengths is None else {**made, self._said.lengths: counts}

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return clips of one frame, in which nothing is to be heard."""
        dtype = NUMPY_NAMES[self._said.samples]
        return {self._said.input: np.zeros((rows, self._said.window), dtype)}
