"""The command `front`."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.options import Host, Limits, PinHeader, Ports, State
from headrace.vocabulary import FIRST_PORT


def front(  # noqa: PLR0913 - a parameter is an option
    url: Annotated[
        str,
        typer.Argument(
            help="grpc://HOST:PORT of a server that runs, or http://; with TLS grpcs:// or https://."
        ),
    ],
    models: Annotated[
        Path | None,
        typer.Option(
            help="A folder of models of your own to serve beside it; what the server has is "
            "written into it. The state folder's own if left out."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model of the server, where that has no index to ask; may be given more than "
            "once. Only these are served then."
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(
            help="A file with certificates of who may vouch for the server, in PEM; the system's "
            "if left out."
        ),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(help="The variable of the environment with the token to show to the server."),
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="Or the file with it.")] = None,
    ports: Ports = FIRST_PORT,
    host: Host = "127.0.0.1",
    state: State = Path(".headrace"),
    pin_header: PinHeader = "",
    limit: Limits = None,
) -> None:
    """Serve what another server has: a Triton, MLServer or KServe that runs already.

    `headrace front grpc://triton:8001` asks it for its models and answers for them on our ports,
    over HTTP and gRPC, with limits, deadlines and metrics. Clients change the address, no more.

    Each of its versions is a version here, in MODEL/N/upstream.yaml, and has all traffic at first.
    To move to a version of your own, put it beside with the next number, say in
    models/photos/2/model.onnx, start with it, and divide the traffic; `1=100` is the way back:

    headrace front grpc://triton:8001 --models models

    headrace split photos 1=95 2=5

    While the server is away requests for it wait, until their deadline and at most ten seconds,
    and are refused after that; it is found again by itself. docs/front.md has what passes through
    and what does not.
    """
    import os

    from headrace.cli import fronting
    from headrace.cli.terminal import tell
    from headrace.config import limits, pins
    from headrace.config.options import ServeOptions
    from headrace.config.upstream import server_at
    from headrace.errors import Unreachable
    from headrace.local import run

    repository = models or state / "upstream"
    server = server_at(url, ca=_absolute(ca), token_env=token_env, token_file=_absolute(token_file))
    found: list[fronting.Found]
    passed_over: list[str]
    try:
        if model:
            found, passed_over = fronting.named(server, model), []
        else:
            found, passed_over = fronting.listed(server, fronting.models_at(server))
    except Unreachable as error:
        if not fronting.is_known(repository, url):
            raise
        found, passed_over = [], [f"going on with what {repository} has of it: {error}"]
    for line in passed_over:
        tell(f"headrace: {line}")
    for file in fronting.write(repository, found):
        tell(f"headrace: wrote {file}")
    options = ServeOptions(
        repository=repository,
        engine="local",
        first_port=ports,
        host=host,
        state=state,
        pins=pins.read(pin_header, os.environ.pop(pins.KEY, None)),
        **limits.as_options(limit or []),
    )
    raise typer.Exit(run(options))


def _absolute(file: Path | None) -> str | None:
    return None if file is None else str(file.absolute())
