"""Commands that look back: the log, errors, requests."""

from typing import Annotated

import typer

from headrace.cli.terminal import CONSOLE, Json, Url, tell


def logs(
    model: Annotated[str, typer.Argument(help="MODEL or MODEL/VERSION; all if left out.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many lines.", min=1)] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show what models printed and logged last."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import check_speaker, get
    from headrace.cli.tables import log_lines

    path = f"/api/logs?model={quote(model)}"
    found = get(url, f"{path}&limit={limit}")
    if not found["lines"]:
        check_speaker(url, model)
    while True:
        lines = found["lines"]
        for text in map(json.dumps, lines) if as_json else log_lines(lines):
            tell(text)
        if not follow:
            return
        found = get(url, f"{path}&after={found['taken']}")


def errors(
    error_id: Annotated[
        str, typer.Argument(metavar="ID", help="As the answer said; the last errors if left out.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many errors.", min=1)] = 20,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show what stands behind an error id: what callers were told, and the traceback."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.tables import error_lines, error_rows

    if error_id:
        found = get(url, f"/api/errors/{quote(error_id)}")
        tell(json.dumps(found) if as_json else "\n".join(error_lines(found)))
        return
    listed = get(url, f"/api/errors?limit={limit}")["errors"]
    for text in map(json.dumps, listed) if as_json else error_rows(listed):
        tell(text)


def why(
    request: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The request's own id, its call's number, or the id of its prediction; the last "
            "requests if left out.",
        ),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.", min=1)] = 20,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show why a request took as long as it did: where it waited, and the batch that it ran in.

    Kept are the last 256 that failed, and of those that were answered one in 256 and all that bring
    the header or metadata x-headrace-timing. The id of a prediction (x-headrace-prediction-id)
    tells by itself what was answered; the label that has come of it is shown, too.
    """
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.requests import prediction_lines, request_lines, request_rows
    from headrace.feedback.prediction import seems_one

    if seems_one(request):
        made = get(url, f"/api/predictions/{quote(request, safe='')}")
        tell(json.dumps(made) if as_json else "\n".join(prediction_lines(made)))
        return
    path = f"/api/requests/{quote(request, safe='')}" if request else "/api/requests"
    found = get(url, f"{path}?limit={limit}")["requests"]
    if as_json:
        lines = [json.dumps(one) for one in found]
    elif request:
        lines = [text for one in found for text in request_lines(one)]
    else:
        lines = list(request_rows(found))
    tell("\n".join(lines))
