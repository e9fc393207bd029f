"""The console as an application: its routes, and what is said where they do not answer."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from headrace import __version__
from headrace.console import (
    deciding,
    drifting,
    estimating,
    labelling,
    predicting,
    reading,
    schema,
    steering,
)
from headrace.console.answering import MOST_THREADS, AllBusy
from headrace.console.door import Door
from headrace.console.following import MOST_FOLLOWERS, Followers, TooManyFollow
from headrace.console.logbook import TooManyWait
from headrace.console.parameters import Misasked, known, words
from headrace.console.sources import Sources
from headrace.console.token import Token
from headrace.console.webpage import FILES, HEADERS, page_file
from headrace.errors import HeadraceError, RepositoryInvalid, StateInvalid
from headrace.execution.voices import OURSELVES, line
from headrace.registry.redacting import trace

DOCUMENT: Final = "/api/openapi.json"
RETRY: Final = {"Retry-After": "1"}


def application(
    sources: Sources, listens_on: str, followers: Followers, token: Token | None = None
) -> ASGIApp:
    """Return what answers requests to a console that listens on the address ``listens_on``.

    ``token``: of which requests are to have one; None where all may ask.
    """
    app = FastAPI(
        title="Headrace console",
        version=__version__,
        openapi_url=DOCUMENT,
        # Their scripts would come from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known)],
        responses={"default": {"model": schema.Refusal, "description": "Refused"}},
    )
    app.state.sources, app.state.followers = sources, followers
    app.state.labelled = labelling.Meter.new()
    app.include_router(reading.router)
    app.include_router(deciding.router)
    app.include_router(steering.router)
    app.include_router(estimating.router)
    app.include_router(labelling.router)
    app.include_router(predicting.router)
    app.include_router(drifting.router)
    for path in FILES:
        app.add_route(path, _page, include_in_schema=False)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misasked)
    app.add_exception_handler(HeadraceError, _not_done)
    app.add_exception_handler(TooManyWait, _too_many_wait)
    app.add_exception_handler(TooManyFollow, _too_many_follow)
    app.add_exception_handler(AllBusy, _all_busy)
    app.add_exception_handler(Exception, _broken)
    return Door(app, listens_on, token)


async def _page(request: Request) -> Response:
    file = page_file(request.url.path)
    return Response(file.content, media_type=file.media_type, headers=HEADERS)


def refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return the answer to what is not done."""
    return JSONResponse({"error": text}, status, headers)


async def _refused(request: Request, error: Any) -> Response:
    path = request.url.path
    match error.status_code:
        case 404 if error.detail == HTTPStatus.NOT_FOUND.phrase:
            told = f"no {path} here: {request.app.openapi_url} says what the console answers"
        case 405 if "POST" in (error.headers or {}).get("Allow", ""):
            told = f"{request.method} is not allowed: send POST {path}"
        case 405:
            told = f"{request.method} is not allowed: {path} is read with GET"
        case _:
            told = error.detail
    return refusal(error.status_code, told)


async def _misasked(_: Request, error: Any) -> Response:
    return refusal(400, words(error.errors()))


async def _not_done(request: Request, error: Exception) -> Response:
    if isinstance(error, Misasked):
        status = 400
    elif isinstance(error, StateInvalid):
        status = 503
    elif isinstance(error, RepositoryInvalid) or request.method == "GET":
        status = 404
    else:
        status = 409
    return refusal(status, str(error))


async def _too_many_wait(_: Request, __: Exception) -> Response:
    return refusal(503, "too many wait for lines of the log: try again later", RETRY)


async def _too_many_follow(_: Request, __: Exception) -> Response:
    return refusal(503, f"{MOST_FOLLOWERS} follow the events already: try again later", RETRY)


async def _all_busy(_: Request, __: Exception) -> Response:
    told = f"{MOST_THREADS} requests are being answered: try again later"
    return refusal(503, told, RETRY)


async def _broken(request: Request, error: Exception) -> Response:
    told = f"the console: {trace(error)}"
    request.app.state.sources.logbook.take(line(OURSELVES, "err", told))
    return refusal(500, "the console could not answer: `headrace logs headrace` has the traceback")
