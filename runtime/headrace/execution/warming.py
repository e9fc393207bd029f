"""Which batches a version runs before it is ready, within its time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headrace.execution.samples import Example, Sample
    from headrace.execution.trial import Trial

#: A warm-up should be so many times faster than the limit of a batch.
SAFE: Final = 3


class Batches:
    """Sizes, each with an example of its rows, one after the other; what was recorded is last."""

    def __init__(
        self,
        own: Sequence[tuple[int, "Example"]],
        kept: Iterable[tuple[int, "Example"]],
        max_s: float | None,
        clock: Callable[[], float],
    ) -> None:
        """Begin now; one batch is run, however short ``max_s`` is."""
        self._own, self._kept = own, kept
        self._max_s, self._clock = max_s, clock
        self._began = clock()
        #: What was not run for want of time, in words; empty if nothing was.
        self.left_out = ""

    def __iter__(self) -> Iterator[tuple[int, "Example", bool]]:
        """Yield rows, an example, and whether that is the version's own."""
        for at, (rows, example) in enumerate(self._own):
            if at and self.is_over:
                sizes = dict.fromkeys(str(size) for size, _ in self._own[at:])
                self.left_out = (
                    f"warmed up for {self._max_s:g} s (warmup.max_s) with {at} of "
                    f"{len(self._own)} batches: not with all of {', '.join(sizes)} rows"
                )
                return
            yield rows, example, True
        for rows, example in self._kept:
            if self.is_over:
                self.left_out = (
                    f"warmed up for {self._max_s:g} s (warmup.max_s), and not with all that was "
                    "recorded"
                )
                return
            yield rows, example, False

    @property
    def is_over(self) -> bool:
        """Whether its time is: no batch begins any more."""
        return self._max_s is not None and self._clock() - self._began >= self._max_s


def batches(sizes: Sequence[int], examples: Sequence["Example"]) -> list[tuple[int, "Example"]]:
    """Return each example in each size, all sizes of the first one before others."""
    return [(rows, example) for example in examples for rows in sizes]


def recorded(sizes: Sequence[int], kept: Iterable["Sample"]) -> Iterator[tuple[int, "Example"]]:
    """Yield what is kept, in the least size that it fits into, or the largest."""
    for one in kept:
        size = next((size for size in sizes if size >= one.rows), sizes[-1])
        yield size, one.example


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
