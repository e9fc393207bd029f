"""What commands have in common towards the terminal."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def tell(text: str, *, err: bool = False) -> None:
    """Print what a model or a server said, as a terminal may have it."""
    from headrace.execution.voices import visible

    typer.echo(visible(text), err=err)
