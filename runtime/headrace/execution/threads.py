"""One CPU budget for all threads of a process."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

#: What the numeric libraries read when they are imported.
VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Threads:
    """How many threads each part may have."""

    #: That read and write sockets.
    io: int
    #: That work on one batch, in each lane.
    intra_op: int


def plan(cpus: int, lanes: int) -> Threads:
    """Divide ``cpus`` between sockets and ``lanes`` lanes; each part gets at least one thread."""
    io = max(1, cpus // 4)
    return Threads(io=io, intra_op=max(1, (cpus - io) // max(1, lanes)))


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def tell_libraries(threads: Threads, environment: MutableMapping[str, str]) -> None:
    """Set what numeric libraries read at import, unless the operator has; call it before them."""
    for name in VARIABLES:
        environment.setdefault(name, str(threads.intra_op))
