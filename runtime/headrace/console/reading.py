"""The console's answers that change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from headrace.console import applying, board, schema, shadow_schema
from headrace.console.answering import in_thread
from headrace.console.deciding import CATCH_UP_S, entry_json, version_json
from headrace.console.parameters import Folder, From, Limit, Model, Number, OfModel, bounded
from headrace.console.sources import Sources
from headrace.control.worst import pairs
from headrace.errors import ConfigInvalid, RepositoryInvalid, SourceInvalid, Unwanted
from headrace.repository.instances import version_of
from headrace.rollout.arms import arm_of

#: How long a request for lines that are still to come may wait: a client that leaves meanwhile is
#: noticed only then.
MOST_WAIT_S: Final = 10.0
#: Of a request's name the gateway keeps so many characters.
MOST_NAME: Final = 128

#: Of what comes as it happens: nobody on the way keeps it.
LIVE: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter()


@router.get("/api/health", response_model=schema.Health, responses={503: {"model": schema.Health}})
@in_thread
def health(sources: From, response: Response) -> dict[str, Any]:
    """Say whether every model can serve: 200 while it is so, else 503."""
    ready = sources.board.status().ready
    response.status_code = 200 if ready else 503
    return {"ready": ready}


@router.get("/api/status", response_model=schema.Status)
@in_thread
def status(sources: From) -> dict[str, Any]:
    """Show models, versions, processes and addresses."""
    lost = [one.as_json() for one in sources.controller.lost()]
    return {**board.as_json(sources.board.status()), "lost": lost}


@router.get("/api/shadows", response_model=shadow_schema.Shadows)
@in_thread
def shadows(sources: From) -> dict[str, Any]:
    """Show what shadows found."""
    return {"shadows": board.as_json(sources.board.status())["shadows"]}


@router.get("/api/shadow/worst", response_model=shadow_schema.Worst)
@in_thread
def worst(sources: From, model: Model, version: Number) -> dict[str, Any]:
    """Show the pairs of answers that are furthest apart, as `headrace shadow MODEL N --worst`."""
    for one in sources.board.status().shadows:
        if (one["model"], one["version"]) == (model, version) and one.get("worst"):
            return {**one["worst"], "pairs": pairs(Path(one["worst"]["folder"]))}
    how = f"`headrace shadow {model} {version} --keep-worst 16`"
    raise Unwanted(f"no pairs are kept of version {version}: {how} has some kept")


@router.get("/api/versions", response_model=schema.Versions)
@in_thread
def versions(
    sources: From, model: OfModel = "", loaded: str = "", moved: str = ""
) -> dict[str, Any]:
    """Show what is loaded and, unless `loaded=1`, what could be, as far as that can be read.

    With `moved=1` once gateways divide traffic so, or after 5 s.
    """
    controller = sources.controller
    if moved == "1":
        controller.catch_up(CATCH_UP_S)
    away = (one.reason for one in controller.lost() if (one.model, one.version) == (model, None))
    rows, unread = controller.held(model), next(away, "")
    # To ask a source what it has by now would bring that here.
    has_source = bool(model) and any(one.version.config.source is not None for one in rows)
    if loaded != "1" and not has_source and not unread:
        try:
            rows = controller.versions(model)
        except (ConfigInvalid, RepositoryInvalid, SourceInvalid) as error:
            if not rows:
                raise
            unread = str(error)
    traffic = {name: one.traffic.as_json() for name, one in controller.wanted().items()}
    shown = [version_json(one) for one in rows]
    return {"versions": shown, "traffic": traffic, "unread": unread}


@router.get("/api/difference", response_model=schema.Differences)
@in_thread
def difference(sources: From, model: OfModel = "", folder: Folder = "") -> dict[str, Any]:
    """Show what the files say that does not run, as `headrace apply --diff`."""
    query = {"model": model, "folder": folder}
    found = applying.difference(sources.operations, sources.controller, query)
    return applying.as_json(found)


@router.get("/api/journal", response_model=schema.Journal)
@in_thread
def journal(sources: From, model: OfModel = "", limit: Limit = 100) -> dict[str, Any]:
    """Show who changed what, when and why, the newest first."""
    return {"entries": [entry_json(one) for one in sources.controller.store.journal(limit, model)]}


@router.get(
    "/api/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(
    request: Request,
    last_event_id: Annotated[str, Header(alias="Last-Event-ID")] = "",
    look: bool = False,
) -> StreamingResponse:
    """Tell what happens: first `begin`, then each `version` and each entry of the `journal`.

    With `Last-Event-ID` from after that one; `begin` has `missed` where that is not known any more.
    With `look=1` there is `look` once a second: the status, and how much versions do. Who does not
    read what comes is disconnected.
    """
    sent = request.app.state.followers.follow(last_event_id, request.state.abort, looks=look)
    return StreamingResponse(sent, media_type="text/event-stream", headers=LIVE)


@router.get("/api/logs", response_model=schema.Lines)
@in_thread
def logs(
    sources: From, model: OfModel = "", limit: Limit = 100, after: Number | None = None
) -> dict[str, Any]:
    """Show the last lines; with `after`, those that came or come after so many."""
    if after is None:
        lines, taken = sources.logbook.recent(model, bounded(limit))
    else:
        lines, taken = sources.logbook.since(model, after, MOST_WAIT_S)
    return {"lines": lines, "taken": taken}


@router.get("/api/errors", response_model=schema.Errors)
@in_thread
def errors(sources: From, limit: Limit = 100) -> dict[str, Any]:
    """Show what stands behind the last error ids."""
    return {"errors": sources.logbook.errors(bounded(limit))}


@router.get("/api/errors/{error_id:path}", response_model=dict[str, Any])
@in_thread
def error(sources: From, error_id: str) -> dict[str, Any]:
    """Show what stands behind one error id."""
    found = sources.logbook.error(error_id)
    if found is None:
        raise HTTPException(404, f"no error {error_id!r} in the log of this server")
    return found


@router.get("/api/requests", response_model=schema.Requests)
@in_thread
def requests(sources: From, limit: Limit = 100) -> dict[str, Any]:
    """Show how requests went that are kept."""
    return {"requests": [_of_version(one) for one in sources.board.requests()[: bounded(limit)]]}


@router.get("/api/requests/{name:path}", response_model=schema.Requests)
@in_thread
def requests_named(sources: From, name: str, limit: Limit = 100) -> dict[str, Any]:
    """Show how requests went that have this id, or the call of this number."""
    kept, short = sources.board.requests(), name[:MOST_NAME]
    found = [one for one in kept if one["id"] == short or str(one["call"]) == name]
    if not found:
        told = "failed ones are, one of 256 others, and those that bring x-headrace-timing"
        raise HTTPException(404, f"no request {name!r} is kept: {told}")
    return _with_arms(sources, found[: bounded(limit)])


def _with_arms(sources: Sources, kept: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    courses = sources.rollouts.all()
    arms = [arm_of(courses, one["model"], one["version"], one["unix_ms"]) for one in kept]
    return {
        "requests": [
            {**_of_version(one), "arm": None if arm is None else asdict(arm)}
            for one, arm in zip(kept, arms, strict=True)
        ]
    }


def _of_version(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "version": version_of(one["version"])}
