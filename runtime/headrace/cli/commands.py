"""The commands, their arguments and what their help teaches."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Serve machine-learning models over HTTP and gRPC, with dynamic batching.\n\n"
    "A first model: `headrace new models/hello`, `headrace check models/hello`, "
    "`headrace serve models`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="HEADRACE_URL",
        help="The server's console.",
        show_default=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
CONSOLE = "http://127.0.0.1:8003"


@app.command()
def serve(
    repository: Annotated[
        Path, typer.Argument(help="A folder of models, or one model's folder.")
    ] = Path(),
    engine: Annotated[
        Literal["ray", "local"],
        typer.Option(help="ray: processes for every version. local: one process, no Ray."),
    ] = "ray",
    ports: Annotated[
        int,
        typer.Option(help="HTTP here, gRPC, metrics and console on the next three."),
    ] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="Folder for logs and sockets.")] = Path(".headrace"),
) -> None:
    """Serve every model of a folder until Ctrl-C.

    A model is a folder: MODEL/1/model.py with a class, or MODEL/1/net.pt2 with an exported PyTorch
    program, and MODEL/model.yaml with its operations. Every version is loaded; requests that name
    none go to the highest one. Ctrl-C and SIGTERM finish what was accepted and exit with 0.
    """
    from headrace.config.options import ServeOptions

    options = ServeOptions(
        repository=repository, engine=engine, first_port=ports, host=host, state=state
    )
    if engine == "local":
        from headrace import local

        raise typer.Exit(local.run(options))
    from headrace import serve as ray_serve

    raise typer.Exit(ray_serve.run(options))
