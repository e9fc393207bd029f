"""Who may wait with Triton, and for how long: queue policies, of all levels or of each."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.config.triton.finding import Finding, Verdict, differs, left_out, refused

DEFAULT: Final = "dynamic_batching.default_queue_policy"
LEVELS: Final = "dynamic_batching.priority_queue_policy"
FIELDS: Final = (
    "timeout_action",
    "default_timeout_microseconds",
    "allow_timeout_override",
    "max_queue_size",
)
NO_DELAY: Final = (
    "who is late would go behind the others and be served all the same; here who is late is told "
    "so at once (504): write REJECT, or take the timeout out"
)


def policies(given: Any, most: int) -> Iterator[Finding]:
    """Yield what becomes of the queue policies of a `dynamic_batching`.

    All levels have one policy here. Where each has its own with Triton they have to be the same.

    Args:
        given: the `dynamic_batching`.
        most: rows of a batch.
    """
    own, levels = given.priority_queue_policy, given.priority_levels
    legal = {level: own[level] for level in sorted(own) if 1 <= level <= levels}
    every_level_has_one = bool(levels) and len(legal) == levels
    policy, path = given.default_queue_policy, DEFAULT
    if every_level_has_one:
        first = next(iter(legal))
        policy, path = legal[first], f"{LEVELS}[{first}]"
        if given.HasField("default_queue_policy"):
            yield left_out(DEFAULT, "each level has one of its own")
    if every_level_has_one or given.HasField("default_queue_policy"):
        yield from _policy(policy, path, most)
    for level in sorted(own):
        field = f"{LEVELS}[{level}]"
        if level not in legal:
            yield refused(field, f"there is no level {level}: priority_levels is {levels}")
        elif legal[level] != policy:
            yield refused(field, "all levels have the same policy here: give them one")
        elif field != path:
            yield Finding(field, Verdict.TAKEN, "the same for all levels", parts=FIELDS)


def _policy(given: Any, path: str, most: int) -> Iterator[Finding]:
    yield Finding(path, Verdict.TAKEN)
    limit = given.default_timeout_microseconds
    delays = given.timeout_action == type(given).DELAY
    if delays and limit:
        yield refused(f"{path}.timeout_action", NO_DELAY)
        yield refused(f"{path}.default_timeout_microseconds", "with timeout_action DELAY: as there")
    elif delays:
        yield left_out(
            f"{path}.timeout_action", "without default_timeout_microseconds nobody is late"
        )
    elif limit:
        yield differs(
            f"{path}.default_timeout_microseconds",
            "Triton's is the time in the queue, and this the time to the whole answer: add what "
            "the slowest batch takes",
            {("batching", "deadline_ms"): limit / 1000},
        )
    if given.allow_timeout_override:
        yield differs(
            f"{path}.allow_timeout_override",
            "always so: a request's own timeout counts instead, be it shorter or longer",
        )
    if size := given.max_queue_size:
        yield differs(
            f"{path}.max_queue_size",
            "Triton counts requests and this rows, of each priority, in a gateway"
            + ("; never less than max_rows, which one request may have" if size < most else ""),
            {("batching", "queue_rows"): max(size, most)},
        )
