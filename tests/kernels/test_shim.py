"""The stand-in for a device finds what it is there to find."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.kernels.shim import machine as shim
from tests.kernels.shim.guarded import guarded

from headrace_kernels import sources
from headrace_kernels.launch import Kernel, Launch

SHIFT = """
extern "C" __global__ void shift(const int* in, int* out) {
    __shared__ int all[64];
    all[threadIdx.x] = in[threadIdx.x];
    BARRIER
    out[threadIdx.x] = all[(threadIdx.x + STEP) % 64];
}
"""


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A .cu file of the test's."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(shim, "BUILT", tmp_path / "built")
    sources.text.cache_clear()
    shim.built.cache_clear()
    yield tmp_path / "made.cu"
    sources.text.cache_clear()
    shim.built.cache_clear()


def run(entry: str, *arrays: NDArray[Any], backwards: bool = False, **defines: str) -> None:
    kernel = Kernel("made.cu", entry, tuple(defines.items()))
    arguments = tuple(np.array(one.ctypes.data, np.uint64) for one in arrays)
    shim.Shim(backwards=backwards).launch(Launch(kernel, (1, 1, 1), (64, 1, 1), arguments))


@pytest.mark.parametrize("backwards", [False, True])
def test_a_barrier_holds_and_a_missing_one_is_seen(source: Path, backwards: bool) -> None:
    source.write_text(SHIFT)
    given = np.arange(64, dtype=np.int32)
    for step, neighbour in (("1", -1), ("63", 1)):
        out = np.zeros(64, np.int32)
        run("shift", given, out, backwards=backwards, STEP=step, BARRIER="__syncthreads();")
        np.testing.assert_array_equal(out, np.roll(given, neighbour))
    # A thread that reads what the next one writes is wrong in one order, the other in the other.
    without = np.zeros(64, np.int32)
    run("shift", given, without, backwards=backwards, STEP="63" if backwards else "1", BARRIER="")
    assert (without == -1515870811).any()  # 0xa5a5a5a5: nobody had written it


@pytest.mark.parametrize("backwards", [False, True])
def test_lanes_of_a_warp_see_each_other(source: Path, backwards: bool) -> None:
    source.write_text("""
extern "C" __global__ void sums(const int* in, int* out) {
    int sum = in[threadIdx.x];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (threadIdx.x < 32) __syncthreads();
    else __syncthreads();
    out[threadIdx.x] = sum;
}""")
    given = np.arange(64, dtype=np.int32) ** 2
    out = np.zeros(64, np.int32)
    run("sums", given, out, backwards=backwards)
    np.testing.assert_array_equal(out, np.repeat(given.reshape(2, 32).sum(1), 32))


def test_threads_that_wait_for_ever_are_told(source: Path) -> None:
    source.write_text("""
extern "C" __global__ void stuck(const int* in, int* out) {
    if (threadIdx.x == 5) out[0] = __shfl_xor_sync(0xffffffffu, in[0], 1);
    __syncthreads();
}""")
    with pytest.raises(shim.ShimError, match="threads wait for others that never come"):
        run("stuck", np.zeros(64, np.int32), np.zeros(64, np.int32))


@pytest.mark.parametrize("at", [64, -1])
def test_a_read_outside_of_a_buffer_ends_the_launch(source: Path, at: int) -> None:
    source.write_text(
        'extern "C" __global__ void far(const int* in, int* out) { out[threadIdx.x] = in[AT]; }'
    )
    given = guarded(np.arange(64, dtype=np.int32), front=at < 0)
    out = np.zeros(64, np.int32)
    run("far", given, out, AT="63")
    with pytest.raises(shim.ShimError, match="SIGSEGV"):
        run("far", given, out, AT=str(at))
    run("far", given, out, AT="0")  # and the next one runs


@pytest.mark.parametrize(
    "statement",
    ["int a[4]; out[0] = a[in[9]];", "out[0] = 2147483647 + in[1];", "out[0] = 1 / in[0];"],
)
def test_what_is_undefined_ends_the_launch(source: Path, statement: str) -> None:
    source.write_text(
        'extern "C" __global__ void wrong(const int* in, int* out) { ' + statement + "}"
    )
    with pytest.raises(shim.ShimError, match=r"SIGILL|SIGFPE"):
        run("wrong", np.arange(64, dtype=np.int32), np.zeros(64, np.int32))


def test_halves_are_rounded_as_others_round_them(source: Path) -> None:
    source.write_text("""
extern "C" __global__ void halves(const float* in, unsigned short* out, float* back) {
    for (int i = threadIdx.x; i < 65536; i += 64) {
        out[2 * i] = float16_bits(in[i]);
        out[2 * i + 1] = bfloat16_bits(in[i]);
        back[i] = float16_value((unsigned short)i);
    }
}""")
    # Every half, halfway between two, and all about it.
    halves = np.arange(65_536, dtype=np.uint16).view(np.float16).astype(np.float32)
    finite = np.where(np.isfinite(halves), halves, np.float32(1e9))
    step = np.nextafter(finite, np.float32(np.inf))
    for given in (finite, step, (finite + np.roll(finite, 1)) / 2):
        out, back = np.zeros((65_536, 2), np.uint16), np.zeros(65_536, np.float32)
        run("halves", given, out, back)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(out[:, 0], given.astype(np.float16).view(np.uint16))
        expected = given.astype(ml_dtypes.bfloat16).view(np.uint16)
        np.testing.assert_array_equal(out[:, 1], expected)
        np.testing.assert_array_equal(back, halves)
