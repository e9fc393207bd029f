"""Which batches a version runs before it is ready, within its time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headrace.execution.samples import Example, Sample
    from headrace.execution.trial import Trial

#: A warm-up should be so many times faster than the limit of a batch.
SAFE: Final = 3


class Batches:
    """Sizes, each with an example of its rows, one after the other."""

    def __init__(
        self,
        batches: Sequence[tuple[int, "Example"]],
        max_s: float | None,
        clock: Callable[[], float],
    ) -> None:
        """Begin now; one batch is run, however short ``max_s`` is."""
        self._batches = batches
        self._max_s, self._clock = max_s, clock
        self._began = clock()
        #: What was not run for want of time, in words; empty if nothing was.
        self.left_out = ""

    def __iter__(self) -> Iterator[tuple[int, "Example"]]:
        for at, batch in enumerate(self._batches):
            if at and self._max_s is not None and self._clock() - self._began >= self._max_s:
                sizes = dict.fromkeys(str(rows) for rows, _ in self._batches[at:])
                self.left_out = (
                    f"warmed up for {self._max_s:g} s (warmup.max_s) with {at} of "
                    f"{len(self._batches)} batches: not with all of {', '.join(sizes)} rows"
                )
                return
            yield batch


def batches(
    sizes: Sequence[int], examples: Sequence["Example"], kept: Sequence["Sample"]
) -> list[tuple[int, "Example"]]:
    """Return each example in each size, all sizes of the first one before others, and what is kept.

    That has the least size that it fits into, or the largest.
    """
    once = [(rows, example) for example in examples for rows in sizes]
    return once + [(_size(sizes, one.rows), one.example) for one in kept]


def _size(sizes: Sequence[int], rows: int) -> int:
    return next((size for size in sizes if size >= rows), sizes[-1])


def near_the_limit(trial: "Trial", limit_s: float) -> str:
    """Return a warning, before requests come near the limit of a batch; empty if they will not."""
    if trial.seconds <= limit_s / SAFE:
        return ""
    what = "step" if trial.steps else "batch"
    return (
        f"a {what} of {trial.rows} rows took {trial.seconds:.1f} s; one that takes more than "
        f"{limit_s:g} s is given up (limits.hang_timeout_s): is that enough?"
    )


def excuse(raised: str, *, made_up: bool) -> str:
    """Return what is said of a version that serves all the same, in words."""
    if not made_up:
        return f"could not warm up with what was recorded ({raised}); serving all the same"
    return (
        f"could not warm up with made-up inputs ({raised}); serving all the same; example() in the "
        "class, or files in samples/ beside it, would give real ones"
    )


def smaller(allowed: Sequence[int], rows: int) -> int:
    """Return the size to try after one that was out of memory: half of it, or 0 for none."""
    if not allowed:
        return rows // 2
    return max((size for size in allowed if size <= rows // 2), default=0) or max(
        (size for size in allowed if size < rows), default=0
    )


def too_large(rows: int, most: int) -> str:
    """Return what is said of a batch that was out of memory, in words."""
    return (
        f"a batch of {rows} rows ran out of memory as it warmed up: none will have more than "
        f"{most}; set batching.max_rows to that, or max_cost"
    )
