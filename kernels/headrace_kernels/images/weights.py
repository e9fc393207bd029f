"""Of which source pixels a resized pixel is made, and with what weights, along one axis."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.int32, np.float32)


@dataclass(frozen=True, slots=True)
class Taps(Generic[Number]):
    """Row `i`: the source positions of resized pixel `i`, and their weights (0: no tap)."""

    at: NDArray[np.int64]
    weights: NDArray[Number]

    def each(self, axis: int) -> Iterator[tuple[NDArray[np.int64], NDArray[Number]]]:
        """Yield tap after tap, the weights shaped to be multiplied along ``axis`` of an image."""
        shape = (1, -1, 1) if axis == 1 else (-1, 1, 1)
        for tap in range(self.at.shape[1]):
            yield self.at[:, tap], self.weights[:, tap].reshape(shape)


def nearest(places: NDArray[np.int64], resized: int, side: int) -> NDArray[np.int64]:
    """Return the source position under the middle of each of ``places``."""
    return (2 * places + 1) * side // (2 * resized)


def interpolated(places: NDArray[np.int64], resized: int, side: int, name: str) -> Taps[np.float32]:
    """Return the 2 or 4 neighbours of each place, as torch's `interpolate` weighs them.

    Positions are whole numbers over ``2 * resized``: in float32, as torch has them, one in an image
    20,000 pixels wide is off by a thousandth of a pixel. Beyond an edge its pixel counts again.
    """
    whole = 2 * resized
    place = (2 * places + 1) * side - resized
    if name == "bilinear":
        place = np.maximum(place, 0)
    base = place // whole
    t = (place - base * whole).astype(np.float32) / np.float32(whole)
    if name == "bilinear":
        raw, taps, start = np.stack([1 - t, t], 1), 2, base
    else:
        raw, taps, start = (
            np.stack([_far(t + 1), _near(t), _near(1 - t), _far(2 - t)], 1),
            4,
            base - 1,
        )
    first = np.maximum(0, np.minimum(start, side - taps))
    at = first[:, None] + np.arange(taps)
    neighbours = np.clip(start[:, None] + np.arange(taps), 0, side - 1)
    weights = np.zeros_like(raw)
    for tap in range(taps):
        weights += np.where(neighbours[:, tap, None] == at, raw[:, tap, None], np.float32(0))
    return Taps(np.minimum(at, side - 1), weights)


def _near(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cubic of within one pixel, a = -0.75."""
    return (np.float32(1.25) * x - np.float32(2.25)) * x * x + np.float32(1)


def _far(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cubic of between one and two pixels, a = -0.75."""
    return ((np.float32(-0.75) * x + np.float32(3.75)) * x - np.float32(6)) * x + np.float32(3)


def antialiased(places: NDArray[np.int64], resized: int, side: int, name: str) -> Taps[np.int32]:
    """Return what lies under the filter at each place, as Pillow weighs it: in 22 bits."""
    step = side / resized
    widened = max(step, 1.0)
    support = (1.0 if name == "bilinear" else 2.0) * widened
    centre = (places + 0.5) * step
    first = np.maximum(0, (centre - support + 0.5).astype(np.int64))
    count = np.minimum(side, (centre + support + 0.5).astype(np.int64)) - first
    at = first[:, None] + np.arange(count.max(initial=0))
    distance = (at - centre[:, None] + 0.5) * (1.0 / widened)
    raw = _triangle(distance) if name == "bilinear" else _cubic(distance)
    raw[np.arange(at.shape[1]) >= count[:, None]] = 0.0
    # One after the other, as Pillow adds them: NumPy's own sum adds in another order.
    total = np.cumsum(raw, 1)[:, -1:] if raw.size else raw[:, :1]
    scaled = np.divide(raw, total, out=raw, where=total != 0.0) * (1 << 22)
    rounded = np.trunc(scaled + np.where(scaled < 0, -0.5, 0.5)).astype(np.int32)
    return Taps(np.minimum(at, side - 1), rounded)


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(x)
    return np.where(x < 1.0, 1.0 - x, 0.0)


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic, a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
