"""The command that reads Triton's configurations."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.terminal import Json, tell


def convert(
    source: Annotated[
        Path, typer.Argument(help="A model's folder with a config.pbtxt, or that file.")
    ] = Path(),
    write: Annotated[
        bool, typer.Option("--write", help="Write model.yaml beside it, if there is none yet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn Triton's config.pbtxt into a model.yaml; say what became of each field.

    The model.yaml goes to standard output, the rest to standard error. A field is taken, differs
    in what it means, is left out since it has no meaning here, or is refused. Exits with 1, and
    writes nothing, when one is refused: take it out of config.pbtxt to go without it.
    """
    import json

    from headrace.cli import converting

    file, converted = converting.convert(source)
    if as_json:
        typer.echo(json.dumps(converting.as_json(converted)))
    else:
        for text in converting.lines(converted):
            tell(text, err=True)
        if not write:
            tell(converting.model_yaml(converted))
    if converted.refused:
        raise typer.Exit(1)
    if write:
        typer.echo(f"wrote {converting.write(file, converted)}", err=as_json)
