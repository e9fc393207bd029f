"""What commands have in common towards the terminal."""

from typing import Annotated

import typer

from headrace.vocabulary import FIRST_PORT

CONSOLE = f"http://127.0.0.1:{FIRST_PORT + 3}"
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


def tell(text: str, *, err: bool = False) -> None:
    """Print what a model or a server said, as a terminal may have it."""
    from headrace.execution.voices import visible

    typer.echo(visible(text), err=err)
