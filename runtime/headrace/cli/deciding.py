"""Commands that decide: which versions are loaded, and who gets the traffic."""

from typing import Annotated, Any

import typer

from headrace.cli.terminal import CONSOLE, Json, Url, tell

Why = Annotated[str, typer.Option("--why", help="The reason, for the journal.")]
MODEL_VERSION = "MODEL, or MODEL/VERSION."


def versions(
    model: Annotated[str, typer.Argument(help="MODEL; all if left out.")] = "",
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show which versions are loaded, which could be, and how traffic is divided."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.tables import version_lines

    found = get(url, f"/api/versions?model={quote(model)}")
    for text in map(json.dumps, found["versions"]) if as_json else version_lines(found, model):
        tell(text)
    if found.get("unread"):  # a server of before has none
        tell(f"headrace: what could be loaded is not known: {found['unread']}", err=True)


def load(  # noqa: PLR0913 - a parameter is an option
    version: Annotated[str, typer.Argument(metavar="MODEL[/VERSION]", help=MODEL_VERSION)],
    swap: Annotated[
        bool | None,
        typer.Option(
            "--swap/--hold",
            help="All traffic goes to it once it is ready, and who had it is unloaded; or it gets "
            "none by itself. versions.on_new of model.yaml if left out.",
            show_default=False,
        ),
    ] = None,
    old_first: Annotated[
        bool | None,
        typer.Option(
            "--old-first/--new-first",
            help="Of --swap: who had the traffic ends before it is loaded, for there is no room "
            "for both, and requests wait meanwhile. versions.replace of model.yaml if left out.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Wait until it is ready, or has failed; exit with 1 then.")
    ] = True,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Load a version beside those that serve; the highest one in its folder if none is named.

    It gets no traffic unless it is named in a request, `headrace split` says so, or it swaps. What
    serves is not touched if it cannot be loaded. `headrace load photos/2 --swap`
    """
    from headrace.cli.console_client import post
    from headrace.cli.waiting import tell_quarantined, until_ready

    model, number = split_label(version)
    query = {"model": model, "why": why}
    if swap is not None:
        query["swap"] = str(int(swap))
    if old_first is not None:
        query["old_first"] = str(int(old_first))
    if number:
        query["version"] = number
    loaded = post(url, path("load", query))
    tell_quarantined(loaded)
    if wait and not until_ready(url, model, loaded["version"]):
        raise typer.Exit(1)


def unload(
    version: Annotated[str, typer.Argument(metavar="MODEL[/VERSION]", help=MODEL_VERSION)],
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """End a version once it has answered what it took; the whole model if no version is named.

    A version that has traffic is not unloaded before others have it: `headrace split` moves it.
    """
    from headrace.cli.console_client import post

    model, number = split_label(version)
    query = {"model": model, "why": why}
    if number:
        query["version"] = number
    post(url, path("unload", query))
    tell(f"{version} ends once it has answered what it took; `headrace status` shows it")


def split(
    model: Annotated[str, typer.Argument(help="MODEL.")],
    shares: Annotated[
        list[str], typer.Argument(metavar="VERSION=PERCENT...", help="Such as 1=90 2=10.")
    ],
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Divide the requests that name no version; those that are not named get none.

    `headrace split photos 1=90 2=10`. A version that is being loaded is waited for, and until then
    all stays as it is. `headrace undo` takes it back.
    """
    from headrace.cli.console_client import post

    post(url, path("split", {"model": model, "shares": ",".join(shares), "why": why}))
    versions(model, url)


def alias(  # noqa: PLR0913 - a parameter is an option
    model: Annotated[str, typer.Argument(help="MODEL.")],
    name: Annotated[str, typer.Argument(help="Such as champion.")],
    version: Annotated[int, typer.Argument(help="Where it leads; left out with --remove.")] = 0,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away.")] = False,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Have a name lead to a version, for requests that name a version.

    `headrace alias photos champion 3`; then `headrace infer photos/champion` is answered by version
    3, until the alias leads elsewhere. A version that one leads to is not unloaded.
    """
    from headrace.cli.console_client import post

    if bool(version) is remove:
        raise typer.BadParameter("expected a version, or --remove, and not both")
    query = {"model": model, "name": name, "why": why}
    post(url, path("alias", query | ({} if remove else {"version": str(version)})))
    versions(model, url)


def rule(  # noqa: PLR0913 - a parameter is an option
    model: Annotated[str, typer.Argument(help="MODEL.")],
    condition: Annotated[
        str,
        typer.Argument(
            metavar="header:NAME=VALUE", help="Or parameter:NAME=VALUE, of the request itself."
        ),
    ],
    version: Annotated[int, typer.Argument(help="Who answers; left out with --remove.")] = 0,
    remove: Annotated[bool, typer.Option("--remove", help="Take the rule away.")] = False,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Have requests that carry a value, and name no version, answered by a version.

    `headrace rule photos header:x-beta=yes 3`. Headers and gRPC metadata are one. The first rule
    that fits counts, before `sticky` and before shares.
    """
    from headrace.cli.console_client import post

    if bool(version) is remove:
        raise typer.BadParameter("expected a version, or --remove, and not both")
    fact, equals, value = condition.partition("=")
    if not equals:
        raise typer.BadParameter(f"expected header:NAME=VALUE, not {condition!r}")
    query = {"model": model, "fact": fact, "value": value, "why": why}
    post(url, path("rule", query | ({} if remove else {"version": str(version)})))
    versions(model, url)


def sticky(
    model: Annotated[str, typer.Argument(help="MODEL.")],
    fact: Annotated[
        str, typer.Argument(metavar="header:NAME", help="Or parameter:NAME; left out with --off.")
    ] = "",
    off: Annotated[bool, typer.Option("--off", help="Draw each request by itself.")] = False,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Have requests of the same user, or whatever a value says, answered by the same version.

    `headrace sticky photos header:x-user-id`. Shares stay as they are; when they change, only what
    has to move moves.
    """
    from headrace.cli.console_client import post

    if bool(fact) is off:
        raise typer.BadParameter("expected header:NAME or parameter:NAME, or --off, and not both")
    post(url, path("sticky", {"model": model, "fact": fact, "why": why}))
    versions(model, url)


def shadow(  # noqa: PLR0913 - a parameter is an option
    model: Annotated[str, typer.Argument(help="MODEL.")],
    version: Annotated[int, typer.Argument(help="Who gets copies.")],
    end: Annotated[str, typer.Argument(metavar="[off]", help="Send it none any more.")] = "",
    percent: Annotated[str, typer.Option(help="The share that is copied.")] = "100",
    repeatable: Annotated[
        bool,
        typer.Option(
            "--repeatable",
            help="The version has no side effects, whatever its model.yaml says.",
        ),
    ] = False,
    apart: Annotated[
        bool,
        typer.Option(
            "--apart",
            help="It has cores or a device of its own: do not wait until nobody is served.",
        ),
    ] = False,
    keep_worst: Annotated[
        int,
        typer.Option(
            help="Keep so many of the pairs of answers that are furthest apart, with their "
            "requests, in the state folder.",
            min=0,
            max=64,
        ),
    ] = 0,
    worst: Annotated[
        bool, typer.Option("--worst", help="Show those that are kept, and change nothing.")
    ] = False,
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Copy traffic to a version that answers nobody, and compare what it says.

    `headrace shadow photos 2`; `headrace shadow photos 2 off`. Copies are sent while nobody is
    served. `headrace status` shows how far answers are apart, beside how far those of the version
    that serves are apart by themselves.
    """
    from headrace.cli.console_client import post
    from headrace.cli.worst import lines

    if worst:
        for text in lines(url, model, version):
            tell(text)
        return
    if end not in ("", "off"):
        raise typer.BadParameter(f"expected off, or nothing, not {end!r}")
    query = {"model": model, "version": str(version), "why": why}
    flags = {"repeatable": str(int(repeatable)), "apart": str(int(apart))}
    flags["keep_worst"] = str(keep_worst)
    said = {"off": "1"} if end else {"percent": percent, **flags}
    post(url, path("shadow", query | said))
    versions(model, url)


def journal(
    model: Annotated[str, typer.Argument(help="MODEL; all if left out.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many entries.", min=1)] = 20,
    url: Url = CONSOLE,
    as_json: Json = False,
) -> None:
    """Show who changed what, when and why; the newest last."""
    import json
    from urllib.parse import quote

    from headrace.cli.console_client import get
    from headrace.cli.tables import journal_rows

    found = get(url, f"/api/journal?model={quote(model)}&limit={limit}")["entries"][::-1]
    for text in map(json.dumps, found) if as_json else journal_rows(found):
        tell(text)


def undo(
    number: Annotated[int, typer.Argument(help="Of the journal's entry.", min=1)],
    why: Why = "",
    url: Url = CONSOLE,
) -> None:
    """Go back to what was wanted before an entry of the journal.

    Versions that are gone are loaded first, and have their traffic again once they are ready.
    """
    from headrace.cli.console_client import post

    found: Any = post(url, path("undo", {"number": str(number), "why": why}))
    tell(f"undone: {found['undone']}")


def path(command: str, query: dict[str, str]) -> str:
    """Return the console's path of a command."""
    from urllib.parse import urlencode

    return f"/api/{command}?{urlencode(query)}"


def split_label(label: str) -> tuple[str, str]:
    """Return model and version, which may be empty, of what a user wrote.

    Raises:
        HeadraceError: the version is no number.
    """
    from headrace.errors import HeadraceError

    model, slash, number = label.partition("/")
    if not model or (slash and not (number.isdecimal() and number.isascii())):
        raise HeadraceError(f"expected MODEL or MODEL/VERSION, such as photos/2, not {label!r}")
    return model, number
