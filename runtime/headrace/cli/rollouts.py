"""Commands about rollouts: a version that gets more and more of the traffic, or none."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.cli.deciding import Why, path, split_label
from headrace.cli.terminal import CONSOLE, Json, Url, tell

Number = Annotated[int, typer.Argument(help="Of the rollout; `headrace rollout list` has it.")]

app = typer.Typer(
    help="Give a new version more and more of the traffic, as long as nothing speaks against "
    "it.\n\n`headrace rollout start photos/2`, then `headrace rollout show 1 --watch`.",
    no_args_is_help=True,
)


@app.command()
def start(  # noqa: PLR0913 - a parameter is an option
    version: Annotated[
        str, typer.Argument(metavar="MODEL/VERSION", help="The candidate; it is loaded already.")
    ],
    plan: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="One of `rollouts` in model.yaml; `default` if left out, and where there is no "
            "such one: steps of 1, 5 and 25 %, by errors and p99.",
        ),
    ] = "",
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan-file", metavar="FILE", help="A plan that is a file of its own, or a pipe."
        ),
    ] = None,
    baseline: Annotated[
        int, typer.Option(help="The version that has all the traffic, to be sure of it.", min=0)
    ] = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how long it would take at the traffic of now; begin nothing."
        ),
    ] = False,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Begin a rollout: its steps, and its end, come by themselves.

    The version that has all the traffic is the baseline. `headrace rollout show` says what was
    seen; `headrace split`, `load --swap` and `undo` by anybody end it, and win.
    """
    from headrace.cli.console_client import get, post
    from headrace.cli.estimating import estimate_lines
    from headrace.cli.steering import rollout_lines

    model, number = split_label(version)
    if not number.strip("0"):
        raise typer.BadParameter(
            f"expected MODEL/VERSION, such as {model}/2, not {version!r}: versions begin with 1, "
            "and `headrace versions` lists them"
        )
    query = {"model": model, "version": number}
    if baseline:
        query["baseline"] = str(baseline)
    if plan_file is not None:
        query["plan"] = _read(plan_file, plan)
    elif plan:
        query["plan"] = plan
    if dry_run:
        lines = estimate_lines(get(url, path("rollout/estimate", query)))
    else:
        lines = rollout_lines(post(url, path("rollout/start", query | {"why": why})))
    for text in lines:
        tell(text)


def _read(file: Path, name: str) -> str:
    from headrace.config.load import load_section
    from headrace.config.rollouts import RolloutPlan
    from headrace.errors import ConfigInvalid

    if name:
        raise typer.BadParameter("expected --plan or --plan-file, and not both")
    try:
        return load_section(file, RolloutPlan, or_pipe=True).model_dump_json(exclude_unset=True)
    except FileNotFoundError as error:
        raise ConfigInvalid(f"there is no {file}") from error


@app.command("list")
def list_all(
    model: Annotated[str, typer.Argument(help="MODEL; all if left out.")] = "",
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show the rollouts that go on and the last that have ended; the newest last."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.steering import rollout_rows

    found = get(url, f"/api/rollouts?model={quote(model)}")["rollouts"]
    for text in map(json.dumps, found) if as_json else rollout_rows(found):
        tell(text)


@app.command()
def show(
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends, or Ctrl-C.")] = False,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show both versions of a rollout, what is still needed, and what was said and done.

    Exits with 1 if --watch saw it end with anything but a promotion. A server that is begun anew
    meanwhile is waited for, five minutes at most. Where the output is no terminal, --watch has a
    line for all that is said and done; with --json it prints the rollout as it is at its end.
    """
    import json

    from headrace.cli.console_client import get
    from headrace.cli.steering import report_lines, rollout_lines

    if watch:
        from headrace.cli.watching import watch as until_it_ends

        last = until_it_ends(url, number, silently=as_json)
        if as_json:
            tell(json.dumps(last))
        if last["end"] != "promoted":
            raise typer.Exit(1)
        return
    found = get(url, f"/api/rollouts/{number}")
    if as_json:
        tell(json.dumps(found))
        return
    reports = get(url, "/api/reports")["reports"]
    for text in [*rollout_lines(found), *report_lines(found, reports)]:
        tell(text)


@app.command()
def approve(
    number: Number,
    step: Annotated[int, typer.Option(help="The step; the one that it is at if left out.")] = 0,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Allow a rollout to leave the step that it is at, where its plan asks a person."""
    _say("approve", number, why, url, step)


@app.command()
def promote(number: Number, why: Why = "", url: Url = CONSOLE) -> None:
    """End a rollout now, and give the candidate all the traffic, whatever is known of it."""
    _say("promote", number, why, url)


@app.command()
def rollback(number: Number, why: Why = "", url: Url = CONSOLE) -> None:
    """End a rollout now, and give the baseline all the traffic.

    One that was promoted is taken back so, as long as the baseline is still loaded.
    """
    _say("rollback", number, why, url)


@app.command()
def release(
    version: Annotated[str, typer.Argument(metavar="MODEL/VERSION", help="It was rolled back.")],
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Let a version that was rolled back have traffic again; nothing is moved by that.

    Until then it gets none: not by itself, and not by `load --swap`, `split`, `alias`, `rule`,
    `undo` or `rollout start`. `headrace versions` says who is quarantined, and why.
    """
    from headrace.cli.console_client import post

    model, number = split_label(version)
    if not number.strip("0"):
        raise typer.BadParameter(f"expected MODEL/VERSION, such as {model}/2, not {version!r}")
    post(url, path("rollout/release", {"model": model, "version": number, "why": why}))
    tell(f"{version} is released: it may have traffic again, and has what it had")


@app.command()
def stop(number: Number, why: Why = "", url: Url = CONSOLE) -> None:
    """End a rollout now, and leave traffic as it is."""
    _say("stop", number, why, url)


def _say(word: str, number: int, why: str, url: str, step: int = 0) -> None:
    from headrace.cli.console_client import post
    from headrace.cli.steering import rollout_lines

    query = {"number": str(number), "why": why} | ({"step": str(step)} if step else {})
    for text in rollout_lines(post(url, path(f"rollout/{word}", query))):
        tell(text)
