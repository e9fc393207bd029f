"""`headrace apply`: what the files say, against what runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from headrace.cli.terminal import CONSOLE, Json, Url, tell

#: As of `diff`: there is something to do, and what could not be found out.
DIFFERENT: Final = 1
TROUBLE: Final = 2
#: What is new, changes, and is refused.
MARKS: Final = {"load": "+", "setting": "~"}


def apply(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[MODEL|FOLDER]",
            help="MODEL, or the folder of models or of one, written with a slash; all if left out.",
        ),
    ] = "",
    folder: Annotated[
        Path | None, typer.Option("--file", "-f", help="FOLDER, however it is written.")
    ] = None,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff",
            help="Show what would be done, and do nothing. Exits with 0 where there is nothing to "
            "do, 1 where files and what runs differ, 2 where that cannot be told.",
        ),
    ] = False,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Have it run as the files say: load what is new, and batch as model.yaml says by now.

    Everything under `batching` but join and like may change while a model serves, without losing a
    request. The rest, and changed files, take loading anew: then nothing is done, and it exits
    with 1. Files own what is served; traffic stays as operators last said, unless a new version's
    versions.on_new is swap. `headrace apply ./models --diff`
    """
    from headrace.cli.console_client import DECISION_S, get, post
    from headrace.errors import HeadraceError

    query = _query(what, folder)
    if not diff:
        _tell(post(url, f"/api/apply?{query}"), applied_lines, as_json=as_json)
        return
    try:
        # Files are read, whatever they weigh.
        found = get(url, f"/api/difference?{query}", DECISION_S)
    except HeadraceError as error:
        tell(f"headrace: {error}", err=True)
        raise typer.Exit(TROUBLE) from error
    _tell(found, difference_lines, as_json=as_json)
    raise typer.Exit(DIFFERENT if found["differences"] else 0)


def _tell(found: Any, lines: Any, *, as_json: bool) -> None:
    import json

    tell(json.dumps(found) if as_json else "\n".join(lines(found)))


def _query(what: str, folder: Path | None) -> str:
    from urllib.parse import urlencode

    if "/" in what or what in (".", ".."):
        if folder is not None:
            raise typer.BadParameter(f"expected one folder, not {what} and {folder}")
        return urlencode({"folder": str(Path(what).resolve())})
    query = {"model": what}
    return urlencode(query if folder is None else query | {"folder": str(folder.resolve())})


def difference_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what ``GET /api/difference`` found, and what `headrace apply` makes of it."""
    differences: Sequence[Mapping[str, Any]] = found["differences"]
    for one in differences:
        mark = MARKS[one["kind"]] if one["applies"] else "!"
        yield f"{mark} {one['version']}: {one['what']}: {one['note']}"
    refused = sum(not one["applies"] for one in differences)
    if not differences:
        yield "what runs is as the files say"
    elif refused:
        yield f"`headrace apply` would do nothing: it cannot do {refused} of {len(differences)}"
    else:
        yield f"`headrace apply` would do {'this' if len(differences) == 1 else 'these'}"


def applied_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what ``POST /api/apply`` did."""
    if not found["applied"] and not found["loading"]:
        yield "nothing has changed since it was read last"
    for one in found["applied"]:
        hosts = f"{one['told']} host{'s'[: one['told'] != 1]}"
        if one["hosts"] < one["told"]:
            late = one["told"] - one["hosts"]
            hosts += f", of which {late} will as soon as what keeps it is over"
        yield f"{one['version']}: {', '.join(one['changes'])} ({hosts})"
    for one in found["loading"]:
        yield f"{one['version']}: is being loaded; {one['note']}"
