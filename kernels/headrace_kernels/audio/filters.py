"""Mel filters and windows, as librosa makes them."""

import numpy as np
from numpy.typing import NDArray

from headrace_kernels.audio.clips import MAX_WINDOW, MelFilters
from headrace_kernels.parameters import finite, whole

# A sensor of ultrasound has less of the one, and no model as many of the other.
MAX_RATE, MAX_MELS = 1 << 24, 1 << 14

# Slaney's scale: straight up to 1 kHz, 200/3 Hz a mel, then 27 mels for each factor of 6.4.
_STRAIGHT_HZ, _HZ_A_MEL, _LOG_STEP = 1000.0, 200.0 / 3, np.log(6.4) / 27


def hertz_of(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frequency of each of ``mels``."""
    knee = _STRAIGHT_HZ / _HZ_A_MEL
    curved = _STRAIGHT_HZ * np.exp(_LOG_STEP * (np.maximum(mels, knee) - knee))
    return np.where(mels < knee, _HZ_A_MEL * mels, curved)


def mels_of(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place of each of ``hertz`` on the scale of mels."""
    above = np.log(np.maximum(hertz, _STRAIGHT_HZ) / _STRAIGHT_HZ) / _LOG_STEP
    straight = hertz / _HZ_A_MEL
    return np.where(hertz < _STRAIGHT_HZ, straight, _STRAIGHT_HZ / _HZ_A_MEL + above)


def mel_filters(rate: int, n: int, mels: int, *, top_hz: float | None = None) -> MelFilters:
    """Return ``mels`` triangles of equal area, and a Hann window of ``n`` samples, on the host.

    They are those of ``librosa.filters.mel(sr=rate, n_fft=n, n_mels=mels, fmax=top_hz)``.
    """
    rate, mels = whole("rate", rate, 1, MAX_RATE), whole("mels", mels, 1, MAX_MELS)
    if whole("n", n, 4, MAX_WINDOW) % 4:
        raise ValueError(f"a frame of {n} samples: a number that 4 divides is needed")
    top = rate / 2 if top_hz is None else finite("top_hz", top_hz)
    if not 0 < top <= rate / 2:
        raise ValueError(f"top_hz is {top_hz}: above 0, and {rate / 2} at most, half the rate")
    ends = mels_of(np.array([0.0, top]))
    corners = hertz_of(np.linspace(ends[0], ends[1], mels + 2))
    bins = np.linspace(0, rate / 2, n // 2 + 1)
    widths = np.diff(corners)
    rising = (bins - corners[:-2, None]) / widths[:-1, None]
    falling = (corners[2:, None] - bins) / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    filters = (triangles * (2 / (corners[2:] - corners[:-2]))[:, None]).astype(np.float32)
    spans = np.zeros((mels, 2), np.int32)
    for span, row in zip(spans, filters, strict=True):
        (used,) = row.nonzero()
        span[:] = (used[0], used[-1] + 1) if len(used) else (0, 0)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return MelFilters(window.astype(np.float32), filters, spans)
