"""The commands, their arguments and what their help teaches."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from headrace.cli import labelling, rollouts
from headrace.cli.applying import apply
from headrace.cli.bench import bench
from headrace.cli.convert import convert
from headrace.cli.deciding import (
    alias,
    journal,
    load,
    rule,
    shadow,
    split,
    sticky,
    undo,
    unload,
    versions,
)
from headrace.cli.drifting import drift
from headrace.cli.front import front
from headrace.cli.looking import errors, logs, why
from headrace.cli.options import Hooked, Host, Limits, PinHeader, Ports, State
from headrace.cli.terminal import CONSOLE, Json, Url, tell
from headrace.vocabulary import FIRST_PORT

app = typer.Typer(
    help="Serve machine-learning models over HTTP and gRPC, with dynamic batching.\n\n"
    "A first model: `headrace new models/hello`, `headrace check models/hello`, "
    "`headrace serve models`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from headrace import __version__

        typer.echo(f"headrace {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None: ...


@app.command()
def serve(  # noqa: PLR0913 - a parameter is an option
    repository: Annotated[
        Path, typer.Argument(help="A folder of models, or one model's folder.")
    ] = Path(),
    engine: Annotated[
        Literal["ray", "local"],
        typer.Option(help="ray: processes for every version. local: one process, no Ray."),
    ] = "ray",
    ports: Ports = FIRST_PORT,
    host: Host = "127.0.0.1",
    state: State = Path(".headrace"),
    database: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="HEADRACE_DATABASE",
            show_envvar=True,
            help="Database of what is wanted, as SQLAlchemy writes it, such as "
            "postgresql+pg8000://USER:PASSWORD@HOST/NAME; SQLite in the state folder if left out. "
            "Who lists processes sees arguments, and not this variable.",
        ),
    ] = "",
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Load versions as they come into the folder, as versions.on_new says."
        ),
    ] = False,
    model_control: Annotated[
        bool,
        typer.Option(
            "--model-control",
            help="Let clients load and unload models over HTTP and gRPC, as Triton's explicit mode "
            "does. Whoever reaches these ports may then do so.",
        ),
    ] = False,
    sources: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESSES",
            help="Take models from these sources alone, such as models:/,s3://bucket/prod/; `none` "
            "takes files of the folder only. Default: what its model.yaml files name.",
        ),
    ] = None,
    hook: Hooked = None,
    pin_header: PinHeader = "",
    limit: Limits = None,
) -> None:
    """Serve every model of a folder until Ctrl-C.

    A model is a folder: MODEL/1/model.py with a class, MODEL/1/model.onnx, or MODEL/1/net.pt2 with
    an exported PyTorch program, and MODEL/model.yaml with its operations. Every version is loaded;
    requests that name none go to the highest one. The state folder keeps what is loaded and how
    traffic is divided (`headrace load`, `unload`, `split`): the next start goes on with it. Ctrl-C
    and SIGTERM finish what was accepted and exit with 0.
    """
    import os

    from headrace.config import account, allowed, hooks, limits, pins
    from headrace.config.options import DATABASE, ServeOptions

    # Not for the processes of models.
    os.environ.pop(DATABASE, None)
    os.environ.pop(hooks.HOOKS, None)
    secret = os.environ.pop(hooks.SECRET, None)
    pin_key = os.environ.pop(pins.KEY, None)
    reporter = {name: os.environ.pop(name, "") for name in account.NAMES}

    options = ServeOptions(
        repository=repository,
        engine=engine,
        first_port=ports,
        host=host,
        state=state,
        database=database,
        watch=watch,
        model_control=model_control,
        pins=pins.read(pin_header, pin_key),
        sources=allowed.read(sources),
        hooks=hooks.read(hook or [], secret),
        account=account.read(reporter),
        **limits.as_options(limit or []),
    )
    if engine == "local":
        from headrace.local import run as run_here

        raise typer.Exit(run_here(options))
    from headrace.serve import run as run_on_ray

    raise typer.Exit(run_on_ray(options))


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="The model's folder, named as the model.")],
    streams: Annotated[
        bool, typer.Option("--streams", help="One that answers a request with many parts.")
    ] = False,
) -> None:
    """Write a model that works, to begin with.

    `headrace new models/hello` writes models/hello/1/model.py and models/hello/model.yaml.
    """
    from headrace.cli.template import write

    for path in write(folder, streams=streams):
        typer.echo(f"wrote {path}")
    typer.echo(f"next: headrace check {folder}")


@app.command()
def check(
    folder: Annotated[
        Path, typer.Argument(help="A folder of models, or one model's folder.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Load every version and run its batch sizes, without a server; say the time a row takes.

    Inputs are made up, or come from the class's example(). Exits with 1 when a version fails.
    """
    import json

    from headrace.cli import checking

    failed = False
    for checked in checking.check(folder):
        failed = failed or bool(checked.error)
        if as_json:
            typer.echo(json.dumps(checking.as_json(checked)))
        else:
            tell("\n".join(checking.lines(checked)))
    raise typer.Exit(int(failed))


@app.command()
def status(url: Url = CONSOLE, as_json: Json = False) -> None:
    """Show every model and version: its state, why it is so, and what waits and runs.

    Exits with 0 when every model has a version that is ready, else with 1.
    """
    import json

    from headrace.cli.console_client import get
    from headrace.cli.tables import hook_lines, status_lines

    found = get(url, "/api/status")
    if as_json:
        tell(json.dumps(found, indent=2))
    else:
        hooks = get(url, "/api/hooks")["hooks"]
        tell("\n".join([*status_lines(found), *hook_lines(hooks)]))
    raise typer.Exit(int(not found["ready"]))


@app.command()
def infer(
    model: Annotated[str, typer.Argument(help="MODEL, or MODEL/VERSION.")],
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A picture, a .npy array, or JSON: a request, a mapping of input to values, or "
            "the values of the only input. Values have the batch axis. Without a file they are "
            "made up; a model of pictures gets the one in its folder, if it is below this one."
        ),
    ] = None,
    show: Annotated[
        Literal["curl", "python"] | None,
        typer.Option(help="Print client code that makes the same call, and do not call."),
    ] = None,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Call a model and print its answer; one in parts as they come, a line each.

    `headrace infer photos cat.jpg`; `headrace infer hello` with values made up;
    `headrace infer hello x.npy --show python` prints a program that makes the call.
    """
    from headrace.cli import inferring

    for line in inferring.infer(url, model, file, show=show, as_json=as_json):
        tell(line)


for command in (
    *(apply, versions, load, unload, split, alias, rule, sticky, shadow, undo, journal),
    *(front, drift, logs, errors, why, bench, convert),
):
    app.command()(command)
app.add_typer(rollouts.app, name="rollout")
app.add_typer(labelling.app, name="feedback")
