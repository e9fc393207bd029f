"""The pairs of answers of a shadow that are furthest apart, as a person reads them."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from headrace.cli.console_client import get
from headrace.cli.exchange import HEADER_LENGTH
from headrace.cli.inferring import to_call
from headrace.cli.tables import aligned, date_time

HEAD = ("DISTANCE", "WHEN", "ID", "OUTPUT", "THE REQUEST AGAIN")


def lines(url: str, model: str, version: int) -> Iterator[str]:
    """Yield what is kept of a shadow, the furthest apart first, and how to send each again."""
    found = get(url, f"/api/shadow/worst?{urlencode({'model': model, 'version': version})}")
    http = to_call(get(url, "/api/status")["addresses"].get("http", "HOST:PORT"), url)
    asks = f"http://{http}/v2/models/{quote(model, safe='')}/versions/{version}/infer"
    yield from aligned([HEAD, *(_row(one, asks) for one in found["pairs"])])
    yield f"{len(found['pairs'])} of {found['most']} pairs, in {found['folder']}"
    if found["too_large"]:
        yield f"{found['too_large']} more were too large to be kept"
    if found["error"]:
        yield f"the last that could not be written: {found['error']}"


def _row(pair: Mapping[str, Any], asks: str) -> tuple[str, ...]:
    furthest = next(one["name"] for one in pair["outputs"] if one["distance"] == pair["distance"])
    request = pair["request"]
    length = request["json_bytes"]
    told = [] if length is None else ["-H", f"{HEADER_LENGTH}: {length}"]
    file = Path(pair["folder"]) / request["file"]
    return (
        "-" if pair["distance"] is None else f"{pair['distance']:.3g}",
        date_time(pair["unix_ms"]),
        pair["id"],
        furthest,
        shlex.join(["curl", "--data-binary", f"@{file}", *told, asks]),
    )
