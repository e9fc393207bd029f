"""Every kernel compiles for every architecture that is promised, with no device here."""

import re

import pytest

from headrace_kernels import sources
from headrace_kernels.compiler import CompileError, compiled
from headrace_kernels.launch import Kernel
from headrace_kernels.table import TABLE

ARCHITECTURES = (80, 90, 100)
KERNELS = [kernel for row in TABLE.values() for kernel in row.kernels]
# A block then fits four times on a multiprocessor: blocks have 256 threads, or half as many for a
# spectrum, and twice as many for boxes; three times where each thread keeps the 16 best.
REGISTERS = {"log_mel": 128, "suppress_boxes": 32, "softmax_top_k": 80}
MAX_SHARED_BYTES = 48 << 10


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: f"{one.entry} {dict(one.defines)}")
def test_a_kernel_compiles_without_a_warning_or_a_spill(kernel: Kernel, architecture: int) -> None:
    binary = compiled(kernel, architecture)
    assert binary.cubin.startswith(b"\x7fELF")
    assert "warning" not in binary.log
    assert "error" not in binary.log
    found = {name: int(number) for number, name in re.findall(r"(\d+) bytes ([a-z ]+)", binary.log)}
    assert (found["stack frame"], found["spill stores"], found["spill loads"]) == (0, 0, 0)
    registers = re.search(r"Used (\d+) registers", binary.log)
    assert registers is not None
    assert int(registers[1]) <= REGISTERS.get(kernel.entry, 64)
    assert found.get("smem", 0) <= MAX_SHARED_BYTES


def test_what_does_not_compile_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("images/interpolate.cu", "interpolate", (("CHANNELS", 3), ("TAPS", 2)))
    with pytest.raises(CompileError, match="OUTPUT is none of the four kinds"):
        compiled(kernel, 90)
    monkeypatch.setattr(sources, "text", lambda name: "__global__ void k() { int unused; }")
    assert "warning" in compiled(kernel, 90).log


def test_every_source_belongs_to_a_row() -> None:
    used = {kernel.source for kernel in KERNELS}
    there = {str(path.relative_to(sources.ROOT)) for path in sources.ROOT.rglob("*.cu")}
    assert used == there
