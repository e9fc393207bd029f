"""The same load on one server, or on two in turns."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from headrace.cli.tables import aligned
from headrace.errors import ConfigInvalid

#: What is compared: its name, where it stands in a record, and whether more is better.
FIGURES: Final = (
    ("answered/s", ("answered_per_s",), True),
    ("p50 ms", ("latency_ms", "p50"), False),
    ("p90 ms", ("latency_ms", "p90"), False),
    ("p99 ms", ("latency_ms", "p99"), False),
    ("queue p50 ms", ("queue_ms", "p50"), False),
    ("compute p50 ms", ("compute_ms", "p50"), False),
    ("rows a batch", ("rows_a_batch",), True),
    ("sent late p99 ms", ("late_ms", "p99"), False),
)
#: Longer than anybody waits.
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Load:
    """What is sent, and how."""

    model: str
    rate: float
    arrivals: str
    shapes: Sequence[str]
    #: Files, in the place of data of those shapes.
    data: Sequence[Path]
    timeout_ms: float | None
    priority: int | None
    json_tensors: bool
    seconds: float
    most: int
    seed: int


def measure(load: Load, urls: Sequence[str], rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Load each server in turns; yield its URL and the record of each run, as it ends.

    Raises:
        ConfigInvalid: the load is none, or a server cannot be reached or does not know the model.
        PayloadInvalid: a file does not hold what the model takes.
    """
    if load.data and load.shapes:
        raise ConfigInvalid("expected --data or --shapes, not both: files have shapes of their own")
    try:
        from headrace_load import arrivals
        from headrace_load.pacer import pace
        from headrace_load.record import Record
        from headrace_load.senders import Request, sender
        from headrace_load.target import Target, metadata_of, sizes, tensors
    except ImportError as error:
        raise ConfigInvalid(
            f"this needs packages that serving does not ({error}): pip install 'headrace[load]'"
        ) from error
    parameters = {}
    if load.timeout_ms is not None:
        parameters["timeout"] = int(1000 * load.timeout_ms)
    if load.priority is not None:
        parameters["priority"] = load.priority
    senders = {}
    for url in urls:
        try:
            target = Target.of(url)
            specs = metadata_of(target, load.model)
            made = (
                [_of_file(file, specs) for file in load.data]
                if load.data
                else [
                    tensors(specs, sizes(text), load.seed + number)
                    for number, text in enumerate(load.shapes or [""])
                ]
            )
            requests = [
                Request(load.model, one, parameters, binary=not load.json_tensors) for one in made
            ]
            arrivals.parse(load.arrivals, load.rate, load.seed)
        except (ValueError, OSError) as error:
            raise ConfigInvalid(f"{url}: {error}") from error
        senders[url] = sender(target, requests, most=load.most, timeout_s=TIMEOUT_S)
    for _ in range(rounds):
        for url, send in senders.items():
            record = Record()
            due = takewhile(
                lambda moment: moment < load.seconds,
                arrivals.parse(load.arrivals, load.rate, load.seed),
            )
            pace(due, send, record.add, most=load.most, grace_s=TIMEOUT_S)
            yield url, record.summary(load.seconds)


def _of_file(file: Path, specs: Sequence[Any]) -> dict[str, tuple[str, Any]]:
    """Return what a file holds for a model with these inputs, which have the axis of rows."""
    from headrace.execution import payload
    from headrace.models import Tensor

    inputs = [Tensor(one.name, one.datatype, list(one.shape[1:])) for one in specs]
    found = payload.read(file, inputs, parameters=False).rows(inputs)
    datatypes = {one.name: one.datatype for one in inputs}
    return {name: (datatypes[name], values) for name, values in found.items()}


def run_line(url: str, record: Mapping[str, Any]) -> str:
    """Say in a line what a run came to."""
    latency = record["latency_ms"]
    seen = f"p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms" if latency else "no answer"
    failed = sum(record["errors"].values())
    kinds = ", ".join(f"{count} x {kind}" for kind, count in record["errors"].items())
    first = f", such as: {record['first_error']:.300}" if failed else ""
    wrong = f"; {failed} failed ({kinds}{first})" if failed else ""
    left = record["dropped"]
    dropped = f"; {left} not sent: too many were under way" if left else ""
    return f"{url}: {record['answered']} of {record['due']} answered, {seen}{wrong}{dropped}"


def table(runs: Sequence[tuple[str, Mapping[str, Any]]], urls: Sequence[str]) -> Iterator[str]:
    """Yield a row for each figure: the median of each server's runs, and their ratio.

    The ratio is the median over the rounds, each of which has one run of each server: a machine
    that becomes slower takes both along.
    """
    rows = [("", *urls, "TIMES AS GOOD")] if len(urls) > 1 else [("", *urls)]
    for name, path, more in FIGURES:
        columns = [[_figure(record, path) for of, record in runs if of == url] for url in urls]
        known = [[value for value in column if value is not None] for column in columns]
        if not all(known):
            continue
        row = [name, *(f"{statistics.median(column):.2f}" for column in known)]
        if len(urls) > 1:
            pairs = [pair for pair in zip(*known, strict=False) if all(pair)]
            ratios = [ours / theirs if more else theirs / ours for ours, theirs in pairs]
            row.append(f"{statistics.median(ratios):.2f}" if ratios else "-")
        rows.append(tuple(row))
    yield from aligned(rows)


def _figure(record: Mapping[str, Any], path: Sequence[str]) -> float | None:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return None if value is None else float(value)
