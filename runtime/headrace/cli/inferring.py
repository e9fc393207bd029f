"""`headrace infer`: from a model's name and a file to an answer, or to code that gets it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from urllib.request import Request

from headrace.cli import exchange, payload
from headrace.cli import show as code
from headrace.cli.console_client import get, send
from headrace.console.request import IMAGES, image_in, takes_one_file
from headrace.errors import HeadraceError, Refused
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
    found = None
    if file is None and takes_one_file(inputs):
        found = file = example_picture(Path(), name)
    given = payload.read(file, inputs)
    if show == "python":
        return code.python(http, name, version, given, inputs)
    call = exchange.call(http, path, given, inputs, outputs)
    if show == "curl":
        return code.curl(call, given, Path(f"{name}-request.bin"))
    request = Request(call.url, data=call.body, headers=dict(call.headers), method="POST")
    try:
        answer = exchange.answer(*send(request))
    except Refused as error:
        if file is not None or error.status != 400:
            raise
        kinds = f"{', '.join(IMAGES)}, " if takes_one_file(inputs) else ""
        raise Refused(
            error.status,
            f"{error.text}; the values were made up: name a file ({kinds}.npy or .json) that holds "
            f"what the model takes, as in `headrace infer {model} FILE`",
        ) from error
    if as_json:
        return json.dumps(answer)
    sent = [] if found is None else [f"sent {found}"]
    return "\n".join([*sent, *exchange.lines(answer)])


def example_picture(folder: Path, model: str) -> Path | None:
    """Return the picture that lies beside a model, where its folder is found from ``folder``.

    That is ``folder`` itself, one in it, or one in a folder of models there.
    """
    here = folder.absolute()
    places = [here] if here.name == model else []
    places.append(here / model)
    # Who may not list a folder names the picture.
    with suppress(OSError):
        places += sorted(one / model for one in here.iterdir() if one.is_dir())
    found = (image_in(one) for one in places if any(one.glob("[1-9]*/model.py")))
    return next((one for one in found if one is not None), None)


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
