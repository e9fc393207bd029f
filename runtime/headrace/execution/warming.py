"""Which batches a version runs before it is ready, within its time."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.execution.samples import Example


class Batches:
    """Each example in each size, all sizes of the first one before others."""

    def __init__(
        self,
        sizes: Sequence[int],
        examples: Sequence["Example"],
        max_s: float | None,
        clock: Callable[[], float],
    ) -> None:
        """Begin now; one batch is run, however short ``max_s`` is."""
        self._batches = [(rows, example) for example in examples for rows in sizes]
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
