"""What a GPU did in a trace of torch.profiler, and why it did nothing: no clock, no GPU, no files.

A trace has, of one process, what the device did (kernels, copies), and what the host did meanwhile
(operations of PyTorch, calls of CUDA). At each instant one thing counts, the first of `STATES`.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Any, Final

COMPUTE: Final = "computes"
COPY_IN: Final = "copy in"
COPY_OUT: Final = "copy out"
#: Asked for and not begun, or the host was about to ask: in an operation, or a call of CUDA.
LAUNCH: Final = "launch"
#: No batch was sealed, or Python was between two calls: the trace tells no more.
NOTHING: Final = "nothing asked"
STATES: Final = (COMPUTE, COPY_IN, COPY_OUT, LAUNCH, NOTHING)

_CALLS: Final = ("cuda_runtime", "cuda_driver")
_DEVICE: Final = ("kernel", "gpu_memcpy", "gpu_memset")


@dataclass(frozen=True, slots=True)
class Span:
    """One state for a while, in microseconds of the trace's clock; others may be at that time."""

    state: str
    begin: float
    end: float


def spans(events: Iterable[Mapping[str, Any]], device: str) -> list[Span]:
    """Return what a trace's events say.

    Args:
        events: ``traceEvents`` of the file that torch.profiler exports.
        device: ``"cuda"``, or ``"cpu"``, which has no device's events: there PyTorch's operations
            are what computes.
    """
    complete = [event for event in events if event.get("ph") == "X"]
    if device == "cpu":
        return [_span(COMPUTE, event) for event in complete if event.get("cat") == "cpu_op"]
    calls = [event for event in complete if event.get("cat") in _CALLS]
    asked = {_correlation(call): float(call["ts"]) for call in calls if _correlation(call)}
    found = []
    for event in complete:
        if event.get("cat") not in _DEVICE:
            continue
        found.append(_span(_of_device(event), event))
        began = found[-1].begin
        found.append(Span(LAUNCH, min(began, asked.get(_correlation(event), began)), began))
    hosts = [event for event in complete if event.get("cat") in ("cpu_op", *_CALLS)]
    return found + _about_to_ask(hosts)


def shares(found: Sequence[Span]) -> dict[str, float]:
    """Return the share of the time that each of `STATES` has; together they are 1.

    The time is from when the device did its first thing to when it had done the last one.

    Raises:
        ValueError: the device did nothing in it.
    """
    done = [one for one in found if one.state in (COMPUTE, COPY_IN, COPY_OUT)]
    if not done:
        raise ValueError("a trace of a device at work was expected, and it did nothing in this one")
    first, last = min(one.begin for one in done), max(one.end for one in done)
    took = dict.fromkeys(STATES, 0.0)
    for state, begin, end in _in_order(found):
        took[state] += max(0.0, min(end, last) - max(begin, first))
    total = sum(took.values())
    if not total:
        raise ValueError("a trace that lasts was expected, and all of it is at one instant")
    return {state: time / total for state, time in took.items()}


def _in_order(found: Sequence[Span]) -> Iterable[tuple[str, float, float]]:
    """Yield what counts, one after the other, without gaps: state, begin, end."""
    edges = sorted(chain(*(((one.begin, 1, one), (one.end, -1, one)) for one in found)), key=_time)
    going: Counter[str] = Counter()
    for (time, step, one), (following, *_) in pairwise(edges):
        going[one.state] += step
        yield next((state for state in STATES if going[state]), NOTHING), time, following


def _about_to_ask(hosts: Iterable[Mapping[str, Any]]) -> list[Span]:
    """Return when threads of the host were on their way to ask; one that waits is not."""
    threads: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for event in hosts:
        threads[event.get("tid")].append(event)
    found = []
    for events in threads.values():
        waits = sorted(
            (_span(NOTHING, event) for event in events if "Synchronize" in event["name"]),
            key=lambda wait: wait.begin,
        )
        for event in events:
            if "Synchronize" not in event["name"]:
                found += _without(_span(LAUNCH, event), waits)
    return found


def _without(span: Span, waits: Sequence[Span]) -> list[Span]:
    """Return what is left of a span without a thread's waits, which are one after the other."""
    left, begin = [], span.begin
    for wait in islice(waits, bisect_right(waits, begin, key=lambda wait: wait.end), None):
        if wait.begin >= span.end:
            break
        if wait.begin > begin:
            left.append(Span(span.state, begin, wait.begin))
        begin = wait.end
    return [*left, Span(span.state, begin, span.end)] if begin < span.end else left


def _of_device(event: Mapping[str, Any]) -> str:
    if event["cat"] == "gpu_memcpy" and "HtoD" in event["name"]:
        return COPY_IN
    if event["cat"] == "gpu_memcpy" and "DtoH" in event["name"]:
        return COPY_OUT
    return COMPUTE


def _span(state: str, event: Mapping[str, Any]) -> Span:
    return Span(state, float(event["ts"]), float(event["ts"]) + float(event["dur"]))


def _correlation(event: Mapping[str, Any]) -> Any:
    """Return the number that a call and what the device does for it share, if they have one."""
    return event.get("args", {}).get("correlation")


def _time(edge: tuple[float, int, Span]) -> float:
    return edge[0]
