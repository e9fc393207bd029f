"""Compiled kernels on disk, so that a process compiles only what none before it has."""

import hashlib
import os
import tempfile
from pathlib import Path

from headrace_kernels import compiler, sources
from headrace_kernels.launch import Kernel

# A kernel is 20 to 80 kB; some hundred variants are all that is ever used at once.
MAX_FILES = 512
_DIGEST_BYTES = hashlib.sha256().digest_size


def cache() -> Path:
    """Return where things are kept that can be made again."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # XDG's base directories: a relative one, and so none, is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "headrace"


def folder() -> Path:
    """Return where compiled kernels are kept."""
    return cache() / "kernels"


def key(kernel: Kernel, architecture: int) -> str:
    """Return the name of a binary: everything that it depends on, hashed."""
    told = "\n".join(
        [
            repr(compiler.version()),
            *compiler.options(kernel, architecture),
            sources.text(kernel.source),
        ]
    )
    return hashlib.sha256(told.encode()).hexdigest()


def binary(kernel: Kernel, architecture: int, kept: Path | None = None) -> bytes:
    """Return ``kernel`` compiled for ``architecture``, from ``kept`` if it is there and whole.

    A disk that cannot be written costs a compilation, not an answer.
    """
    kept = kept or folder()
    path = kept / f"{key(kernel, architecture)}.cubin"
    found = _read(path)
    if found is not None:
        return found
    made = compiler.compiled(kernel, architecture).cubin
    try:
        _write(path, made)
    except OSError:
        return made
    return made


def _is_ours(folder: Path) -> bool:
    """Return whether nobody else can have written what is in ``folder``: it is code."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _read(path: Path) -> bytes | None:
    """Return what ``path`` holds behind its digest, or None if it is not there or was damaged."""
    try:
        if not _is_ours(path.parent):
            return None
        content = path.read_bytes()
        os.utime(path)  # the least lately used goes first
    except OSError:
        return None
    digest, cubin = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return cubin if hashlib.sha256(cubin).digest() == digest else None


def _write(path: Path, cubin: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(path.parent):
        raise PermissionError(f"{path.parent} can be written by others")
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(cubin).digest() + cubin)
        temporary.replace(path)  # whole or not at all, however many processes compile it at once
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    files = sorted(filter(Path.is_file, path.parent.iterdir()), key=_last_used)
    for file in files[: max(0, len(files) - MAX_FILES)]:
        file.unlink(missing_ok=True)


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was first
        return 0.0
