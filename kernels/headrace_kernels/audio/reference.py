"""`log_mel` in NumPy: what it means, written to be read."""

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.audio.clips import MelFilters, RaggedClips, Spectrogram

Pair = tuple[NDArray[np.float32], NDArray[np.int32]]


def log_mel(
    clips: RaggedClips, mel: MelFilters, spectrogram: Spectrogram, *, out: Pair | None = None
) -> Pair:
    """Return features [clips, mels, frames], and how many frames each clip has.

    A clip that does not lie inside ``samples`` is taken for empty; of a filter's span counts what
    lies inside its bins, and one that ends before it begins is empty. Features of a frame with a
    NaN or an infinity in it are no finite numbers.

    Held by the tests: energies are torch's `stft` in double precision, filtered.
    """
    count, mels = len(clips.offsets) - 1, len(mel.filters)
    if out is None:
        out = np.empty((count, mels, spectrogram.frames), np.float32), np.empty(count, np.int32)
    features, counts = out
    features[...] = spectrogram.padding
    for clip in range(count):
        begin, end = int(clips.offsets[clip]), int(clips.offsets[clip + 1])
        part = slice(begin, end) if 0 <= begin <= end <= len(clips.samples) else slice(0)
        frames = _frames(clips.samples[part], mel, spectrogram)
        counts[clip] = len(frames)
        with np.errstate(invalid="ignore"):
            spectrum = np.abs(np.fft.rfft(frames * mel.window.astype(np.float64)))
            if not spectrogram.magnitude:
                spectrum = spectrum**2
            parts = [
                spectrum[:, low:high] @ row[low:high]
                for row, (low, high) in zip(mel.filters, np.maximum(mel.spans, 0), strict=True)
            ]
            energies = np.stack(parts)
            logarithms = np.log(np.where(energies < spectrogram.least, spectrogram.least, energies))
        features[clip, :, : len(frames)] = logarithms * spectrogram.scale + spectrogram.offset
    return out


def _frames(
    samples: NDArray[np.float32] | NDArray[np.int16], mel: MelFilters, told: Spectrogram
) -> NDArray[np.float64]:
    """Return the frames of a clip, as rows."""
    n = len(mel.window)
    values = samples.astype(np.float64) / (32_768 if samples.dtype == np.int16 else 1)
    if told.centred and len(values):
        values = np.pad(values, n // 2, mode="reflect")
    if len(values) < n:
        return np.empty((0, n))
    return np.lib.stride_tricks.sliding_window_view(values, n)[:: told.hop][: told.frames]
