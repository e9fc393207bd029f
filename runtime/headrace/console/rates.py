"""How much each version does, and how fast, from what the gateway counts. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

STARTED: Final = "process_start_time_seconds"
SUCCEEDED: Final = "nv_inference_request_success"
FAILED: Final = "headrace_request_failures_total"
ROWS: Final = "headrace_batch_rows_sum"
BATCHES: Final = "headrace_batch_rows_count"
BROKEN: Final = "headrace_executions_failed_total"
DURATIONS: Final = "headrace_request_duration_seconds_bucket"
#: A family without its end: nothing else of the page is read, which may have many versions.
FAMILIES: Final = (STARTED, SUCCEEDED, FAILED, ROWS, BATCHES, BROKEN, DURATIONS)
#: Of those with one number for each version, what `Counts` has it as.
SINGLE: Final = {SUCCEEDED: "succeeded", ROWS: "rows", BATCHES: "batches", BROKEN: "broken"}


@dataclass
class Counts:
    """Of one version, since its gateway began."""

    succeeded: float = 0.0
    failed: float = 0.0
    rows: float = 0.0
    batches: float = 0.0
    #: Batches that failed.
    broken: float = 0.0
    #: Seconds → requests that took at most so long.
    within: dict[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a gateway had counted at one moment."""

    #: Seconds, on any clock that only goes forward.
    at: float
    #: When the gateway began: another one counts from zero.
    started: float
    versions: Mapping[str, Counts]


@dataclass(frozen=True)
class Rates:
    """Of one version, over a few seconds; a time is None where nothing was answered in them."""

    requests_per_s: float
    errors_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    rows_per_batch: float | None


def read(page: str, at: float) -> Reading:
    """Return what a gateway's metrics page says.

    Raises:
        ValueError: it is no such page.
    """
    started, versions = 0.0, dict[str, Counts]()
    wanted = "\n".join(one for one in page.splitlines() if one.startswith(FAMILIES))
    for family in text_string_to_metric_families(f"{wanted}\n"):
        for name, labels, value, *_ in family.samples:
            if name == STARTED:
                started = value
                continue
            if not labels.get("version"):
                continue
            counts = versions.setdefault(f"{labels['model']}/{labels['version']}", Counts())
            if name in SINGLE:
                setattr(counts, SINGLE[name], value)
            elif name == FAILED:
                counts.failed += value
            elif name == DURATIONS:
                counts.within[float(labels["le"])] = value
    return Reading(at, started, versions)


def rates(before: Reading, now: Reading) -> dict[str, Rates]:
    """Return what versions did between two readings; nothing where a gateway began meanwhile."""
    seconds = now.at - before.at
    if before.started != now.started or seconds <= 0:
        return {}
    return {
        label: _between(before.versions.get(label, Counts()), counts, seconds)
        for label, counts in now.versions.items()
    }


def _between(before: Counts, now: Counts, seconds: float) -> Rates:
    succeeded, failed = now.succeeded - before.succeeded, now.failed - before.failed
    batches = now.batches - before.batches
    within = [(limit, now.within[limit] - before.within.get(limit, 0)) for limit in now.within]
    return Rates(
        requests_per_s=(succeeded + failed) / seconds,
        errors_per_s=failed / seconds,
        p50_ms=_in_ms(quantile(within, 0.5)),
        p99_ms=_in_ms(quantile(within, 0.99)),
        rows_per_batch=(now.rows - before.rows) / batches if batches > 0 else None,
    )


def quantile(within: Iterable[tuple[float, float]], part: float) -> float | None:
    """Return the time that ``part`` of all requests took at most; None where there are none.

    ``within``: of times, in seconds, how many took at most so long. Between two of them it is as if
    requests were spread evenly, as Prometheus has it; beyond the last there is only that one.
    """
    limits: Sequence[tuple[float, float]] = sorted(within)
    if not limits or limits[-1][1] <= 0:
        return None
    rank = part * limits[-1][1]
    low, fewer = 0.0, 0.0
    for limit, count in limits:
        if count >= rank:
            if limit == float("inf"):
                return low
            return low + (limit - low) * (rank - fewer) / (count - fewer)
        low, fewer = limit, count
    return low


def beyond(within: Iterable[tuple[float, float]], seconds: float) -> float:
    """Return the part of all requests that took longer than ``seconds``, from 0 to 1.

    ``within`` is as in `quantile`, and so is what is thought to be between two of its times; what
    took longer than its last one took longer than anything. Where there are none it is 0.
    """
    limits: Sequence[tuple[float, float]] = sorted(within)
    if not limits or limits[-1][1] <= 0:
        return 0.0
    low, fewer = 0.0, 0.0
    for limit, count in limits:
        if limit > seconds:
            part = 0.0 if limit == float("inf") else (seconds - low) / (limit - low)
            return 1.0 - (fewer + part * (count - fewer)) / limits[-1][1]
        low, fewer = limit, count
    return 0.0


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
