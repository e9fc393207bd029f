"""Compile kernels with NVRTC, for any architecture, with or without a device at hand."""

from dataclasses import dataclass
from typing import Any

from headrace_kernels import sources
from headrace_kernels.launch import Kernel


class CompileError(RuntimeError):
    """NVRTC refused a kernel; the message is its log."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A kernel as machine code, and what NVRTC and ptxas said of it."""

    cubin: bytes
    log: str


def options(kernel: Kernel, architecture: int) -> list[str]:
    """Return what NVRTC is told beside the source, for compute capability 9.0 as 90."""
    return [
        f"--gpu-architecture=sm_{architecture}",
        "--std=c++17",
        f"--fmad={'true' if kernel.fused_multiply_add else 'false'}",
        "--ptxas-options=-v",  # the log then has registers, spills and shared memory
        *(f"-D{name}={value}" for name, value in kernel.defines),
    ]


def version() -> tuple[int, int]:
    """Return NVRTC's version: another one may compile differently."""
    from cuda.bindings import nvrtc

    status, major, minor = nvrtc.nvrtcVersion()
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise RuntimeError(f"NVRTC does not tell its version: {status}")
    return major, minor


def compiled(kernel: Kernel, architecture: int) -> Binary:
    """Return ``kernel`` for ``architecture``, or raise CompileError with the compiler's words."""
    # Imported here: the package, its references and its checks work where no compiler is.
    from cuda.bindings import nvrtc

    def call(status_and_more: tuple[Any, ...]) -> Any:
        status, *more = status_and_more
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise CompileError(f"{kernel.source}: {status.name}")
        return more[0] if more else None

    source = sources.text(kernel.source).encode()
    program = call(nvrtc.nvrtcCreateProgram(source, kernel.source.encode(), 0, [], []))
    try:
        told = [option.encode() for option in options(kernel, architecture)]
        (status,) = nvrtc.nvrtcCompileProgram(program, len(told), told)
        log = bytearray(call(nvrtc.nvrtcGetProgramLogSize(program)))
        call(nvrtc.nvrtcGetProgramLog(program, log))
        words = bytes(log).rstrip(b"\0").decode(errors="replace")
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise CompileError(f"{kernel.source} for sm_{architecture}: {status.name}\n{words}")
        cubin = bytearray(call(nvrtc.nvrtcGetCUBINSize(program)))
        call(nvrtc.nvrtcGetCUBIN(program, cubin))
        return Binary(bytes(cubin), words)
    finally:
        nvrtc.nvrtcDestroyProgram(program)
