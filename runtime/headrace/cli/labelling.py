"""Commands about labels that come later: to send them, and to see what they say."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from headrace.cli.terminal import CONSOLE, Json, Url, tell

Door = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="HEADRACE_URL",
        help="The server's console, or where it answers inferences over HTTP.",
    ),
]
#: Labels of a request.
PIECE: Final = 1000
#: Whose labels are lost; one that came twice was joined before.
LOST: Final = ("late", "unknown", "forged", "unfit")
COLUMNS: Final = ("VERSION", "SEGMENT", "LABELLED", "ACCURACY", "95 %", "CALIBRATION", "ERROR")

app = typer.Typer(
    help="Join labels that come later with what was answered, and see what they say.\n\n"
    "A version whose model.yaml has `feedback: {}` answers with x-headrace-prediction-id; a label "
    'is a line such as {"prediction_id": "...", "label": 3}.',
    no_args_is_help=True,
)


@app.command()
def send(
    file: Annotated[
        typer.FileText,
        typer.Argument(
            help="Labels, one line of JSON each; - is standard input.", encoding="utf-8"
        ),
    ],
    url: Door = CONSOLE,
    as_json: Json = False,
) -> None:
    """Send labels, in pieces of 1000; what was sent before does no harm.

    Exits with 1 if any was lost: forged, late, of an unknown model, or none for its prediction.
    """
    import json

    from headrace.cli.console_client import post
    from headrace.errors import HeadraceError, Refused

    total: dict[str, Any] = {}
    for sent, piece in pieces(file):
        body, lines = {"feedback": list(piece.values())}, list(piece)
        try:
            add(total, post(url, "/headrace/v1/feedback", body), lines)
        except Refused as error:
            # What is wrong is told by its place in the request, from 0.
            where = f"lines {lines[0]} to {lines[-1]}, of which feedback.0 is the first"
            before = f" ({sent - len(piece)} labels before them were sent)"
            raise HeadraceError(f"{where}{before}: {error}") from error
        tell(f"{sent} labels sent", err=True)
    tell(json.dumps(total) if as_json else "\n".join(outcome_lines(total)))
    raise typer.Exit(int(any(total.get(one, 0) for one in LOST)))


@app.command()
def show(
    model: Annotated[str, typer.Argument(help="MODEL.")],
    hours: Annotated[int, typer.Option(help="Of predictions so old at most.", min=1)] = 720,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show what labels said of each version of a model, and of its segments."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.tables import aligned

    found = get(url, f"/api/feedback/{quote(model, safe='')}?hours={hours}")
    if as_json:
        tell(json.dumps(found))
    else:
        tell("\n".join([*aligned([COLUMNS, *rows(found)]), *score_lines(found)]))


def pieces(lines: Iterable[str]) -> Iterator[tuple[int, dict[int, Any]]]:
    """Yield how many labels were read by then, and no more than `PIECE` of them by their lines.

    Raises:
        HeadraceError: a line is none of JSON.
    """
    import json

    from headrace.errors import HeadraceError

    piece: dict[int, Any] = {}
    read = 0
    for number, line in enumerate(_decoded(lines), start=1):
        if not line.strip():
            continue
        try:
            piece[number] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise HeadraceError(
                f'line {number}: expected {{"prediction_id": "...", "label": 3}}: {error}'
            ) from error
        read += 1
        if len(piece) == PIECE:
            yield read, piece
            piece = {}
    if piece:
        yield read, piece


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    from headrace.errors import HeadraceError

    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise HeadraceError(f"expected labels in UTF-8: {error}") from error


def add(total: dict[str, Any], answer: Mapping[str, Any], lines: list[int]) -> None:
    """Add what became of a piece to what became of those before it, by lines of the file."""
    first = total.setdefault("first_line", {})
    for outcome, at in answer["first"].items():
        first.setdefault(outcome, lines[at])
    for outcome, count in answer.items():
        if outcome != "first":
            total[outcome] = total.get(outcome, 0) + count


def outcome_lines(total: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each thing that labels came to."""
    for outcome, count in total.items():
        if outcome == "joined" or (outcome != "first_line" and count):
            line = total["first_line"].get(outcome)
            yield f"{outcome:<8} {count}{f', the first in line {line}' if line else ''}"
    if not total:
        yield "no labels"


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of what labels said."""
    for version in found["versions"]:
        yield _row(f"{found['model']}/{version['version']}", "", version)
        for name, one in version["segments"].items():
            yield _row("", name, one)


def _row(version: str, segment: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    interval = one["interval"]
    return (
        version,
        segment,
        str(one["predictions"]),
        "" if one["accuracy"] is None else f"{100 * one['accuracy']:.2f} %",
        f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}" if interval else "",
        "" if one["calibration_error"] is None else f"{100 * one['calibration_error']:.2f} %",
        "" if one["mean_absolute_error"] is None else f"{one['mean_absolute_error']:.6g}",
    )


def score_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each score that senders of labels have found themselves."""
    for version in found["versions"]:
        for name, one in version["scores"].items():
            yield (
                f"{found['model']}/{version['version']}: {name} {one['mean']:.6g} in the mean of "
                f"{one['count']}"
            )
