"""Inputs beside a version, as callers would send them: to warm it up, and to check it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from headrace.errors import ModelInvalid
from headrace.execution.outputs import misfit
from headrace.execution.payload import PayloadInvalid, read
from headrace.models import Tensor
from headrace.repository.folder import Version

#: In a version's folder.
FOLDER: Final = "samples"
#: Of one version; more would not be run before somebody waits for it.
MOST_FILES: Final = 64
MOST_BYTES: Final = 64 << 20

#: Rows → the inputs of so many; None where they are to be made up.
Example = Callable[[int], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Sample:
    """What one file holds."""

    arrays: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """How many it has."""
        return len(next(iter(self.arrays.values())))

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return its rows again and again, until there are so many."""
        return {name: array[np.arange(rows) % len(array)] for name, array in self.arrays.items()}


def samples(version: Version, sent: Sequence[Tensor]) -> list[Sample]:
    """Return what is beside a version, in the order of names; ``sent``: what callers send of it.

    Raises:
        ModelInvalid: a file is nothing for these inputs, or there are too many.
    """
    folder = version.folder / FOLDER
    if not folder.is_dir():
        return []
    files = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    size = sum(one.stat().st_size for one in files)
    if len(files) > MOST_FILES or size > MOST_BYTES:
        raise ModelInvalid(
            f"{folder} has {len(files)} files of {size / 2**20:.1f} MiB; at most {MOST_FILES} of "
            f"{MOST_BYTES >> 20} MiB in all are run"
        )
    return [_sample(one, sent, unbatched=version.config.batching.unbatched) for one in files]


def _sample(file: Path, sent: Sequence[Tensor], *, unbatched: bool) -> Sample:
    try:
        given = read(file, sent, parameters=False)
    except PayloadInvalid as error:
        raise ModelInvalid(f"a sample does not fit: {error}") from error
    arrays = given.rows(sent)
    if unbatched and not given.media_type:
        arrays = {name: array[None] for name, array in arrays.items()}
    if why := unlike(arrays, sent):
        raise ModelInvalid(f"a sample does not fit: {file} has {why}")
    return Sample(arrays)


def unlike(arrays: Mapping[str, Any], inputs: Sequence[Tensor]) -> str:
    """Return what keeps arrays from being rows of these inputs; empty if nothing does."""
    for one in inputs:
        array = arrays[one.name]
        rows = len(array) if array.ndim else 0
        if not rows:
            return f"no row of input {one.name!r}"
        if wrong := misfit(one, [rows, *one.shape], array):
            return f"input {one.name!r} as {wrong[1]}, not as {wrong[0]}"
    if len({len(array) for array in arrays.values()}) > 1:
        told = ", ".join(f"{len(array)} of {name!r}" for name, array in arrays.items())
        return f"rows {told}, not as many of each"
    return ""
