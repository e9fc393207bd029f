"""`headrace infer`: from a model's name and a file to an answer, or to code that gets it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from urllib.request import Request

from headrace.cli import exchange, payload
from headrace.cli import show as code
from headrace.cli.console_client import get, send
from headrace.errors import HeadraceError
from headrace.models import Tensor


def infer(
    url: str,
    model: str,
    file: Path | None,
    *,
    show: Literal["curl", "python"] | None,
    as_json: bool,
) -> str:
    """Return what is to be printed.

    Raises:
        HeadraceError: no server, no such model, a file that does not fit, or an error answer.
    """
    http = get(url, "/api/status")["addresses"].get("http")
    if http is None:
        raise HeadraceError("this server has no HTTP port")
    http = to_call(http, url)
    name, _, version = model.partition("/")
    path = f"models/{quote(name)}" + (f"/versions/{quote(version)}" if version else "")
    metadata = json.loads(send(Request(f"http://{http}/v2/{path}"))[0])
    inputs, outputs = tensors(metadata["inputs"]), tensors(metadata["outputs"])
    given = payload.read(file, inputs)
    if show == "python":
        return code.python(http, name, version, given, inputs)
    call = exchange.call(http, path, given, inputs, outputs)
    if show == "curl":
        return code.curl(call, given, Path(f"{name}-request.bin"))
    request = Request(call.url, data=call.body, headers=dict(call.headers), method="POST")
    answer = exchange.answer(*send(request))
    return json.dumps(answer) if as_json else "\n".join(exchange.lines(answer))


def tensors(entries: list[Mapping[str, Any]]) -> list[Tensor]:
    """Return tensors of a model's metadata, whose shapes begin with the batch axis."""
    return [
        Tensor(one["name"], one["datatype"], [int(size) for size in one["shape"][1:]])
        for one in entries
    ]


def to_call(address: str, url: str) -> str:
    """Return host:port as seen from here; who listens everywhere is where its console is."""
    host, _, port = address.rpartition(":")
    if host in ("0.0.0.0", "[::]"):
        from urllib.parse import urlsplit

        host = urlsplit(url).hostname or "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
    return f"{host}:{port}"
