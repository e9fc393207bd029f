"""One CPU budget for all threads of a server."""

import sys
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Final

from headrace.config.placement import MOST_THREADS
from headrace.errors import EnvironmentInvalid
from headrace.repository.folder import Version

#: Where an operator says how many threads may work on one thing.
TOLD: Final = "OMP_NUM_THREADS"
#: What the numeric libraries read when they are imported, and ONNX Runtime is told.
VARIABLES: Final = (
    TOLD,
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


@dataclass(frozen=True)
class Lanes:
    """The lanes of a version, of all its hosts."""

    #: Such as ``photos/1``.
    label: str
    count: int
    #: Of each lane, where model.yaml says so.
    threads: int | None = None


@dataclass(frozen=True)
class Budget:
    """How many threads each part may have."""

    cpus: int
    #: That read and write sockets.
    io: int
    #: That work on one batch, in a lane of a version for which model.yaml says nothing.
    share: int
    #: The same of every version, by label.
    lanes: Mapping[str, int]


def plan(cpus: int, lanes: Iterable[Lanes], told: int | None = None) -> Budget:
    """Divide ``cpus`` between sockets and all lanes; each part gets at least one thread.

    Of two gateways one has work. In a lane one thing follows the other, such as decoding and
    predicting, and each may have all of its threads. What model.yaml says counts, then what the
    operator has ``told``, and what is left is divided equally.
    """
    lanes = tuple(lanes)
    io = max(1, cpus // 4)
    free = cpus - io - sum(one.count * one.threads for one in lanes if one.threads)
    share = told or max(1, free // max(1, sum(one.count for one in lanes if not one.threads)))
    return Budget(cpus, io, share, {one.label: one.threads or share for one in lanes})


def joined(budget: Budget, lanes: Iterable[Lanes], told: int | None = None) -> Budget:
    """Return the budget once there are these ``lanes``.

    Those that are new get what they would have got at the start; the others keep what they have,
    for their libraries do.
    """
    planned = plan(budget.cpus, lanes, told)
    kept = {one: budget.lanes.get(one, count) for one, count in planned.lanes.items()}
    return replace(planned, lanes=kept)


def cpus() -> int:
    """Return how many CPUs this process may use: its affinity and its container's quota."""
    import headrace_core

    return headrace_core.cores()


def told(environment: Mapping[str, str]) -> int | None:
    """Return what the operator says of threads, if anything.

    Raises:
        EnvironmentInvalid: it is no count.
    """
    text = environment.get(TOLD)
    if text is None:
        return None
    # A list is for nested regions.
    first = text.split(",")[0].strip()
    digits = first.lstrip("0")
    if not first.isdecimal() or not digits or len(digits) > 4 or int(digits) > MOST_THREADS:
        raise EnvironmentInvalid(
            f"{TOLD} is {text!r:.80}: expected a count of threads, from 1 to {MOST_THREADS}"
        )
    return int(digits)


def tell_libraries(budget: Budget, environment: MutableMapping[str, str]) -> None:
    """Set what numeric libraries read at import, unless the operator has; call it before them."""
    for name in VARIABLES:
        environment.setdefault(name, str(budget.share))


def take(count: int, environment: MutableMapping[str, str]) -> None:
    """Give the calling thread, and what is loaded from now on, so many threads.

    Libraries that were imported before keep theirs, but for PyTorch and the core.
    """
    if told(environment) != count:
        # model.yaml says otherwise than what all versions of this server share.
        environment.update(dict.fromkeys(VARIABLES, str(count)))
    use(count, count)


def use(count: int, torch_count: int | None) -> None:
    """Give the calling thread so many threads, and PyTorch in it as many as it is to have."""
    import headrace_core

    headrace_core.use_threads(count)
    torch = sys.modules.get("torch")
    if torch is not None and torch_count is not None:
        # The first question makes the thread known to PyTorch, with the count of another.
        torch.get_num_threads()
        torch.set_num_threads(torch_count)


def of_torch() -> int | None:
    """Return what PyTorch uses in the calling thread, where it is imported: a model may set it."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def lanes_of(version: Version, hosts: int) -> Lanes:
    """Return what so many hosts of a version have: none of one that has no host."""
    if not version.is_hosted:
        return Lanes(version.label, 0)
    config = version.config
    return Lanes(version.label, config.lanes * hosts, config.placement.threads)
