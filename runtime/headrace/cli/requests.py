"""Requests that a server keeps, as a person reads them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headrace.cli.tables import aligned, clock_time, date_time, first_line

COLUMNS: Final = ("TIME", "ID", "CALL", "MODEL", "END", "TOTAL", "QUEUE", "COMPUTE", "BATCH", "WHY")
#: Why a batch went when it did, in words; the keys are those of headrace_batches_total.
SEALED: Final = {
    "free": "it went as it was: a lane was free, and nobody else waited",
    "full": "it was full",
    "waited": "max_delay_ms was over",
    "hurried": "a deadline in it left no time for more",
    "alone": "a request that was in flight in a crash runs alone",
    "again": "it is a part of a batch that failed",
    "step": "it is the last of its steps",
}


def request_rows(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each request of ``GET /api/requests``, the newest first."""
    rows = [
        (
            clock_time(one["unix_ms"]),
            _id(one) or "-",
            str(one["call"]),
            _version(one),
            one["end"],
            _ms(one["total_ms"]),
            _ms(one["queue_ms"]),
            _ms(_compute_ms(one)),
            str(one["batch_rows"] or "-"),
            one["sealed"] or first_line(one["note"]),
        )
        for one in found
    ]
    yield from aligned([COLUMNS, *rows])
    if not found:
        yield "none yet: failed requests are kept, one of 256 others, and those that bring the"
        yield "header or metadata x-headrace-timing"


def request_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield everything that is known of one request."""
    named = f"request {_id(one)} (call {one['call']})" if one["id"] else f"call {one['call']}"
    yield f"{named} of {_version(one)} at {clock_time(one['unix_ms'])}: {one['end']}"
    if one["arm"]:
        yield f"  was of    rollout {one['arm']['rollout']}, whose {one['arm']['name']} this is"
    level = f", priority {one['priority']} of {one['priorities']}" if one["priorities"] > 1 else ""
    deadline = one["deadline_ms"]
    within = f", wanted within {_ms(deadline)}" if deadline is not None else ", without a deadline"
    yield f"  asked     {_count(one['rows'], 'row')}{level}{within}"
    if one["note"]:
        yield f"  told      {one['note']}"
    yield f"  took      {_ms(one['total_ms'])} from its arrival to its end"
    if not one["tries"]:
        yield "  never sent to a host"
    elif one["parts"] > 1 and not one["batch_rows"]:
        yield f"  was cut   into {one['parts']} parts, of which one failed"
    elif not one["batch_rows"]:
        yield f"  sent      to {_count(one['tries'], 'host')}, and ran in no batch that ended"
    else:
        again = f" (sent {one['tries']} times)" if one["tries"] > 1 else ""
        yield f"  waited    {_ms(one['queue_ms'])} in gateway and host{again}"
        batch, sealed = _count(one["batch_rows"], "row"), SEALED.get(one["sealed"], one["sealed"])
        yield f"  ran       in a batch of {batch}; {sealed}"
        stages = ("input_ms", "gathering"), ("model_ms", "the model"), ("output_ms", "cutting")
        parts = ", ".join(f"{name} {_ms(one[key])}" for key, name in stages)
        yield f"  computed  {_ms(_compute_ms(one))}: {parts}"
        if one["parts"] > 1:
            yield f"  was cut   into {one['parts']} parts: the largest batch and the longest wait"
            yield "            of them, and the sums of their stages, which ran beside each other"


def prediction_lines(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known of a prediction of ``GET /api/predictions/{id}``."""
    yield f"a prediction of {_version(one)}, made {date_time(one['unix_ms'])}"
    if one["arm"]:
        yield f"  was of    rollout {one['arm']['rollout']}, whose {one['arm']['name']} this is"
    for row in one["rows"]:
        score = "" if row["score"] is None else f"with a score of {row['score']:.3g}"
        yield f"  answered  {row['number']:.10g} {score}".rstrip()
    label = one["label"]
    if label is None:
        until = date_time(one["until_unix_ms"])
        yield f"  label     none, or forgotten; one may come until {until}"
    else:
        said = ", ".join(f"{number:.10g}" for number in label) or "none, only scores of its sender"
        yield f"  label     {said}"


def _id(one: Mapping[str, Any]) -> str:
    """Return its name on one line, whatever its caller put into it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in one["id"])


def _version(one: Mapping[str, Any]) -> str:
    return f"{one['model']}/{one['version']}"


def _compute_ms(one: Mapping[str, Any]) -> float:
    return float(one["input_ms"] + one["model_ms"] + one["output_ms"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _ms(span: float) -> str:
    return f"{span:.3g} ms" if span < 1000 else f"{span / 1000:.3g} s"
