"""A command that looks at what comes in and goes out."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from headrace.cli.terminal import CONSOLE, Json, Url, tell

HEAD = ("VERSION", "TENSOR", "FEATURE", "REFERENCE", "NOW", "SCORE", "ALARM SINCE")


def drift(
    model: Annotated[str, typer.Argument(help="MODEL.")],
    anew: Annotated[
        int,
        typer.Option(
            metavar="VERSION",
            help="Compare this version with the rows that come next, from now on.",
        ),
    ] = 0,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show whether a model's inputs and outputs are as they were when its versions were new.

    After `--anew 3` that is: as they are in the next rows of version 3.
    """
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get, post

    path = f"/api/drift/{quote(model, safe='')}"
    found = (post(url, f"{path}?version={anew}") if anew else get(url, path))["versions"]
    for text in map(json.dumps, found) if as_json else drift_lines(model, found):
        tell(text)


def drift_lines(model: str, versions: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of ``GET /api/drift``, and what it waits for."""
    from headrace.cli.tables import aligned

    if not versions:
        yield f"no version of {model} is watched: write `drift` into its model.yaml"
    rows = [
        (str(one["version"]), *_row(feature)) for one in versions for feature in one["features"]
    ]
    if rows:
        yield from aligned([HEAD, *rows])
    for one in versions:
        if not one["features"]:
            rows = one["reference_rows"]
            yield f"version {one['version']}: {rows} rows are here, and nothing is compared yet"


def _row(feature: Mapping[str, Any]) -> tuple[str, ...]:
    since = feature["since_unix_s"]
    return (
        feature["tensor"],
        feature["feature"],
        *("-" if one is None else f"{one:.4g}" for one in (feature["reference"], feature["now"])),
        f"{feature['score']:.3f}",
        "" if since is None else datetime.fromtimestamp(since).astimezone().strftime("%d %b %H:%M"),
    )
