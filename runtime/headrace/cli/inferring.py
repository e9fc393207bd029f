"""`headrace infer`: from a model's name and a file to an answer, or to code that gets it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote
from urllib.request import Request

from headrace.cli import exchange
from headrace.cli import show as code
from headrace.cli.console_client import get, read_lines, send
from headrace.console.request import image_in, json_body, whole_sequence
from headrace.errors import HeadraceError, Refused
from headrace.execution import payload
from headrace.models import Tensor
from headrace.models.tensor import takes_one_file
from headrace.vocabulary import IMAGES


@dataclass(frozen=True)
class Target:
    """A model, or a version of it, and how it is called."""

    http: str
    grpc: str
    name: str
    #: Empty: any.
    version: str
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    in_parts: bool
    #: Each request is of a sequence.
    in_sequences: bool = False

    @property
    def path(self) -> str:
        """Where it is below ``/v2``."""
        below = f"/versions/{quote(self.version)}" if self.version else ""
        return f"models/{quote(self.name)}{below}"


def infer(
    url: str,
    model: str,
    file: Path | None,
    *,
    show: Literal["curl", "python"] | None,
    as_json: bool,
) -> Iterator[str]:
    """Yield what is to be printed, of an answer in parts each as it comes.

    Raises:
        HeadraceError: no server, no such model, a file that does not fit, or an error answer.
    """
    target = _find(url, model)
    found = None
    if file is None and takes_one_file(target.inputs) and not target.in_parts:
        found = file = example_picture(Path(), target.name)
    given = (
        made_up(target.inputs, in_parts=target.in_parts)
        if file is None
        else payload.read(file, target.inputs, parameters=not target.in_parts)
    )
    if target.in_sequences and not given.parameters:
        given = replace(given, parameters=whole_sequence())
    if show is not None:
        yield _code(show, target, given)
        return
    call = _call(target, given)
    request = Request(call.url, data=call.body, headers=dict(call.headers), method="POST")
    if found is not None and not as_json:
        yield f"sent {found}"
    try:
        if target.in_parts:
            yield from _parts(request, target.outputs, as_json=as_json)
        else:
            answer = exchange.answer(*send(request))
            yield from [json.dumps(answer)] if as_json else exchange.lines(answer)
    except Refused as error:
        if file is not None or error.status != 400:
            raise
        kinds = f"{', '.join(IMAGES)}, " if takes_one_file(target.inputs) else ""
        raise Refused(
            error.status,
            f"{error.text}; the values were made up: name a file ({kinds}.npy or .json) that holds "
            f"what the model takes, as in `headrace infer {model} FILE`",
        ) from error


def _find(url: str, model: str) -> Target:
    addresses = get(url, "/api/status")["addresses"]
    if "http" not in addresses:
        raise HeadraceError("this server has no HTTP port")
    name, _, version = model.partition("/")
    here = {one: to_call(addresses.get(one, ""), url) for one in ("http", "grpc")}
    target = Target(here["http"], here["grpc"], name, version, (), (), in_parts=False)
    metadata, config = (
        json.loads(send(Request(f"http://{target.http}/v2/{target.path}{below}"))[0])
        for below in ("", "/config")
    )
    return replace(
        target,
        inputs=tensors(metadata["inputs"]),
        outputs=tensors(metadata["outputs"]),
        in_parts=config["model_transaction_policy"]["decoupled"],
        in_sequences="sequence_batching" in config,
    )


def made_up(inputs: Sequence[Tensor], *, in_parts: bool) -> payload.Payload:
    """Return inputs of one row, which ask a model that answers in parts for some."""
    entries = json_body(inputs, in_parts=in_parts)["inputs"]
    arrays = {
        one.name: payload.array(one, entry["data"]).reshape(entry["shape"])
        for one, entry in zip(inputs, entries, strict=True)
    }
    return payload.Payload(None, arrays=arrays)


def _call(target: Target, given: payload.Payload) -> exchange.Call:
    make = exchange.call_for_parts if target.in_parts else exchange.call
    return make(target.http, target.path, given, target.inputs, target.outputs)


def _code(show: Literal["curl", "python"], target: Target, given: payload.Payload) -> str:
    if show == "curl":
        scratch = Path(f"{target.name}-request.bin")
        return code.curl(_call(target, given), given, scratch, in_parts=target.in_parts)
    if target.in_parts:
        return code.python_for_parts(target.grpc, target.name, target.version, given, target.inputs)
    return code.python(target.http, target.name, target.version, given, target.inputs)


def _parts(request: Request, outputs: Sequence[Tensor], *, as_json: bool) -> Iterator[str]:
    """Yield a line for each part as it comes; to a person, who answers before and how many after.

    Raises:
        Broken: the answer ended with an error.
    """
    count = 0
    for line in read_lines(request):
        part = exchange.part(line)
        if part is None:
            continue
        count += 1
        if as_json:
            yield json.dumps(part)
            continue
        if count == 1:
            yield f"{part['model_name']}/{part['model_version']}"
        yield exchange.part_line(part, outputs)
    if not as_json:
        yield f"{count} part{'s'[: count != 1]}"


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
