"""Time `preprocess_images` on a GPU, by its bandwidth and beside its peers: `make bench-gpu`.

Buffers are rotated over four times the L2 cache, so that nothing that is read is there already.
Each case is checked against the reference before it is timed. Peers have one batch, again and
again, and are timed by the clock; behind it is how many levels they are from the reference, in the
mean.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from tests.kernels.implementations import each_array, no_device
from tests.kernels.peers import PEERS, Peer

from headrace_kernels.images.launcher import preprocess_images
from headrace_kernels.images.ragged import RaggedImages, packed
from headrace_kernels.images.reference import preprocess_images as reference
from headrace_kernels.images.transform import ImageTransform

BATCH, HEIGHT, WIDTH = 64, 375, 500
NORMALISED: dict[str, Any] = {
    "mean": (123.675, 116.28, 103.53),
    "scale": (1 / 58.395, 1 / 57.12, 1 / 57.375),
}
CASES = {
    "bilinear": ImageTransform(height=224, width=224, antialias=False, **NORMALISED),
    "bilinear, antialiased": ImageTransform(height=224, width=224, **NORMALISED),
    "bicubic": ImageTransform(
        height=224, width=224, filter="bicubic", antialias=False, **NORMALISED
    ),
    "bicubic, antialiased": ImageTransform(height=224, width=224, filter="bicubic", **NORMALISED),
}
REPEATS = 50


def photos(seed: int, *, ragged: bool) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    """Return a batch of noise; ragged, of one large image and many small ones of all sizes."""
    dice = np.random.default_rng(seed)
    sizes = [(HEIGHT, WIDTH)] * BATCH
    if ragged:
        sizes = [(4000, 6000), *((int(h), int(w)) for h, w in dice.integers(100, 600, (63, 2)))]
    return [dice.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def milliseconds(cupy: Any, calls: Sequence[Callable[[], Any]]) -> float:
    """Return the median time of a call on the device, over calls that touch other memory each."""
    for call in calls:
        call()
    times = []
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        for call in calls:
            call()
        end.record()
        end.synchronize()
        times.append(cupy.cuda.get_elapsed_time(begin, end) / len(calls))
    return float(median(times))


def beside(cupy: Any, peer: Peer, batch: list[Any], told: ImageTransform, expected: Any) -> str:
    """Return a peer's time by the clock, and how many levels its result is from the reference's."""
    why = peer.missing()
    if why:
        return why
    try:
        call = peer.make(cupy, batch, told)
        apart = np.abs(cupy.asnumpy(cupy.asarray(call())) - expected).mean() / max(told.scale)
    except Exception as error:
        # Of another's library nothing is known: its place says why, and the rest is measured.
        return f"failed: {type(error).__name__}: {error}"
    times = []
    for _ in range(REPEATS // 10 + 1):
        cupy.cuda.runtime.deviceSynchronize()
        began = time.perf_counter()
        for _ in range(10):
            call()
        cupy.cuda.runtime.deviceSynchronize()
        times.append((time.perf_counter() - began) / 10)
    return f"{median(times[1:]) * 1e3:.4f} ({apart:.2f})"


def measure(cupy: Any, name: str, *, ragged: bool, bandwidth: float) -> str:
    transform = CASES[name]
    runtime = cupy.cuda.runtime
    cache = runtime.deviceGetAttribute(runtime.cudaDevAttrL2CacheSize, 0)
    calls: list[Callable[[], Any]] = []
    hosts: list[list[Any]] = []
    bytes_ = 0
    while not calls or bytes_ * len(calls) < 4 * cache:
        hosts.append(photos(len(hosts), ragged=ragged))
        images = packed(hosts[-1])
        there: RaggedImages = each_array(images, cupy.asarray)
        out = cupy.empty(transform.shape(len(hosts[-1])), np.float32)
        bytes_ = images.pixels.nbytes + out.nbytes
        calls.append(partial(preprocess_images, there, transform, out=out))
        if len(calls) == 1:
            calls[0]()
            expected = reference(images, transform)
            np.testing.assert_array_equal(cupy.asnumpy(out), expected)
    ours = milliseconds(cupy, calls)
    share = bytes_ / (ours * 1e-3) / bandwidth
    theirs = [beside(cupy, peer, hosts[0], transform, expected) for peer in PEERS.values()]
    kind = "ragged" if ragged else f"{BATCH} of {WIDTH} x {HEIGHT}"
    return f"| {name:22} | {kind:16} | {ours:9.4f} | {share:6.1%} | {' | '.join(theirs)} |"


def main() -> None:
    why = no_device()
    if why:
        sys.exit(f"nothing is measured: {why}")
    import cupy

    runtime = cupy.cuda.runtime
    clock_khz = runtime.deviceGetAttribute(runtime.cudaDevAttrMemoryClockRate, 0)
    bus_bits = runtime.deviceGetAttribute(runtime.cudaDevAttrGlobalMemoryBusWidth, 0)
    bandwidth = 2e3 * clock_khz * bus_bits / 8  # on both edges
    name = runtime.getDeviceProperties(0)["name"].decode()
    print(f"{name}: {bandwidth / 1e9:.0f} GB/s by its clock and bus")
    print(f"| filter | batch | ms | of bandwidth | {' | '.join(PEERS)} |")
    print("|---" * (4 + len(PEERS)) + "|")
    for ragged in (False, True):
        for name in CASES:
            print(measure(cupy, name, ragged=ragged, bandwidth=bandwidth))


if __name__ == "__main__":
    main()
