"""Options that more than one command has."""

from pathlib import Path
from typing import Annotated

import typer

#: Three more follow, and 65535 is the highest.
LAST_PORTS = 65_532


def _check_ports(first: int) -> int:
    if 1 <= first <= LAST_PORTS:
        return first
    raise typer.BadParameter(
        f"expected 1 to {LAST_PORTS}, not {first}: four ports in a row begin there, and the kernel "
        "does not choose them"
    )


Ports = Annotated[
    int,
    typer.Option(
        help="HTTP here, gRPC, metrics and console on the next three.", callback=_check_ports
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is everywhere.")]
State = Annotated[Path, typer.Option(help="Folder for logs, and what is wanted.")]
Hooked = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        envvar="HEADRACE_HOOKS",
        show_envvar=True,
        help="Post what was decided and what has failed to https://HOST/PATH, as signed webhooks "
        "(docs/hooks.md); HEADRACE_HOOK_SECRET in the environment signs them. http:// is for this "
        "machine; cleartext:http://… allows another. May be given 8 times; in the variable they "
        "have blanks between them.",
    ),
]
PinHeader = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Have versions answered by their name only for those who send this header, or gRPC "
        "metadata, with the key that HEADRACE_PIN_KEY has; others are refused (docs/traffic.md). "
        "Anyone if left out.",
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER",
        help="Change a limit of the gateway, such as connections=1000; docs/protocol.md has "
        "them all. max_loaded=N: of versions that share a process N are in memory, and others are "
        "loaded when they are asked for. May be given more than once.",
    ),
]
