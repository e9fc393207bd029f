"""What a version's files are, in one number."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from headrace.config.triton.serving import ENSEMBLE
from headrace.config.triton.text import FILE
from headrace.repository.folder import Version

#: Python's own, which come and go.
PASSED_OVER: Final = frozenset({"__pycache__"})
#: Of a digest, as people see it.
SHOWN: Final = 12


def digest(folder: Path, threads: int = 1) -> str:
    """Return the SHA-256, in hexadecimal, of all files below a version's folder, by name.

    The interpreter's lock is let go meanwhile; each thread has a file.

    Raises:
        OSError: a file cannot be read, or went meanwhile.
    """
    files = sorted(_files(folder))
    whole = hashlib.sha256()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        digests = pool.map(lambda name: _of_file(folder / name), files)
        for name, one in zip(files, digests, strict=True):
            whole.update(f"{len(name)}:{name}:".encode("utf-8", "surrogateescape"))
            whole.update(one)
    return whole.hexdigest()


def of_version(version: Version, threads: int = 1) -> str:
    """Return the SHA-256 of what a version is: its folder, or the file that says all of it.

    Raises:
        OSError: as `digest`.
    """
    if version.backend == ENSEMBLE:
        return of_one(version.home / FILE)
    return digest(version.folder, threads)


def of_one(path: Path) -> str:
    """Return the same of one file.

    Raises:
        OSError: it cannot be read.
    """
    return _of_file(path).hex()


def _of_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _files(folder: Path) -> Iterator[str]:
    for place, names, files in os.walk(folder, onerror=_fail):
        names[:] = [name for name in names if name not in PASSED_OVER]
        for name in files:
            yield os.path.relpath(Path(place) / name, folder)


def _fail(error: OSError) -> None:
    raise error
