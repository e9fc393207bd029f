"""How Triton gathers requests: `max_batch_size` and `dynamic_batching`."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.config.triton.finding import Finding, Key, differs, left_out, refused, taken
from headrace.config.triton.queueing import policies

BATCHER = "dynamic_batching"
ALONE = (
    "Triton runs each request by itself then; here those that wait share a batch, up to max_rows"
)
ALONE_BY_SIZE: Final = (
    "an output is of any size (-1), and rows of one batch have one: each row runs by itself"
)
#: What `preferred_batch_size` aims at comes about without it: see docs/triton.md.
AIMS = (
    "sizes that Triton aims at, and not the only ones; here a batch is what waits when a lane is "
    "free, up to max_rows. Where other sizes cannot run, or cost more than padding to these, write "
    "batching.allowed_rows: {sizes}"
)
IN_ORDER = (
    "answers of one ModelStreamInfer, or of one HTTP/1 connection, come in the order of its "
    "requests, always; calls of their own have no order among each other"
)


def batching(given: Any, backend: str) -> Iterator[Finding]:
    """Yield what becomes of `max_batch_size`, where there is one, and of `dynamic_batching`."""
    streams = given.model_transaction_policy.decoupled
    if given.max_batch_size > 0 and _is_alone(given, backend):
        rows: dict[Key, Any] = {("batching", "max_rows"): 1, ("batching", "split_oversize"): True}
        yield differs("max_batch_size", ALONE_BY_SIZE, rows)
    elif given.max_batch_size > 0:
        meaning = "of all requests at work together" if streams else ""
        yield taken("max_batch_size", {("batching", "max_rows"): given.max_batch_size}, meaning)
    elif given.max_batch_size < 0:
        yield refused("max_batch_size", f"expected a count, not {given.max_batch_size}")
    if given.HasField(BATCHER):
        yield from _dynamic(given.dynamic_batching, given.max_batch_size, streams=streams)
    elif given.max_batch_size > 1 and not given.WhichOneof("scheduling_choice"):
        yield differs(f"{BATCHER} (absent)", ALONE)


def _is_alone(given: Any, backend: str) -> bool:
    """Return whether rows that a batch answers together might come out in different sizes."""
    once = not given.model_transaction_policy.decoupled and not given.HasField("sequence_batching")
    return backend == "triton_python" and once and any(-1 in one.dims for one in given.output)


def _dynamic(given: Any, most: int, *, streams: bool) -> Iterator[Finding]:
    yield taken(BATCHER, text="requests share batches")
    if given.preferred_batch_size:
        sizes = sorted({*given.preferred_batch_size, most})
        yield left_out(f"{BATCHER}.preferred_batch_size", AIMS.format(sizes=sizes))
    delay = given.max_queue_delay_microseconds
    if delay and streams:
        yield left_out(
            f"{BATCHER}.max_queue_delay_microseconds",
            "nothing is held open for answers in parts: requests join between two steps",
        )
    elif delay:
        held: dict[Key, Any] = {("batching", "max_delay_ms"): delay / 1000}
        sooner = "a batch goes before that at max_rows rows only, and not at a preferred size"
        field = f"{BATCHER}.max_queue_delay_microseconds"
        yield differs(field, sooner, held) if given.preferred_batch_size else taken(field, held)
    if given.preserve_ordering and streams:
        yield refused(
            f"{BATCHER}.preserve_ordering",
            "answers in parts of several requests mix, each part going out as it comes: take it "
            "out, and tell them apart by their ids",
        )
    elif given.preserve_ordering:
        yield differs(f"{BATCHER}.preserve_ordering", IN_ORDER)
    yield from _levels(given)
    yield from policies(given, most)


def _levels(given: Any) -> Iterator[Finding]:
    count, default = given.priority_levels, given.default_priority_level
    if count:
        yield differs(
            f"{BATCHER}.priority_levels",
            "a lower level is let past now and then, so that it does not starve",
            {("batching", "priorities"): count},
        )
    field = f"{BATCHER}.default_priority_level"
    if default and not count:
        yield left_out(field, "without priority_levels all requests are of one")
    elif default > count:
        yield refused(field, f"there is no level {default}: priority_levels is {count}")
    elif default:
        yield taken(field, {("batching", "default_priority"): default})
