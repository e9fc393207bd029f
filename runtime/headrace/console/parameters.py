"""What requests may say, and how what they say wrongly is told."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from fastapi import Depends, Header, HTTPException, Query, Request
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator

from headrace.console.sources import CLIENT, Sources
from headrace.control.starting import is_itself
from headrace.errors import HeadraceError
from headrace.execution.policy import WHOLE
from headrace.execution.voices import legible, visible

#: Digits of a number in a request; Python refuses to read thousands.
MOST_DIGITS: Final = 18
#: Lines, errors or requests that one answer may hold.
MOST: Final = 1000


class Misasked(HeadraceError):
    """A request does not say what is to be done."""


def digits(text: Any) -> Any:
    """Return what is said where a number is expected, if it is one.

    Raises:
        ValueError: it is anything else; Python takes more for a number than people do.
    """
    if isinstance(text, str) and not is_number(text):
        raise ValueError(f"should be a number, not {text!r:.40}")
    return text


def one_line(text: str) -> str:
    """Return a text without line breaks and other odd blanks: journals have a line for each.

    What moves a terminal's cursor is shown as an escape; no database of others takes a NUL.
    """
    return visible(legible(" ".join(text.split())))


def is_number(text: str) -> bool:
    """Whether it is a count in decimal digits, and not absurdly long."""
    return text.isdecimal() and text.isascii() and len(text) <= MOST_DIGITS


def shares(text: str) -> dict[int, int]:
    """Return parts of the traffic, in parts of `WHOLE`, from percents such as ``1=90,2=10``.

    Raises:
        Misasked: it is none of that.
    """
    found: dict[int, int] = {}
    for one in text.split(","):
        version, _, percent = one.strip().partition("=")
        try:
            parts = Decimal(percent) * WHOLE / 100
            whole = parts == parts.to_integral_value() and 0 <= parts <= WHOLE
        except InvalidOperation:
            whole = False
        if not whole or not is_number(version) or int(version) in found:
            raise Misasked(
                f"expected a percentage for each version, such as 1=90,2=10, with at most two "
                f"digits after the point, not {text!r:.100}"
            )
        found[int(version)] = int(parts)
    return found


def words(mistakes: Sequence[Mapping[str, Any]]) -> str:
    """Return what is wrong with a request, from what pydantic found."""
    told = []
    for one in mistakes:
        name = one["loc"][-1]
        if one["type"] in ("missing", "string_too_short"):
            told.append(f"say which {name}: &{name}=...")
        else:
            told.append(f"{name} {one.get('ctx', {}).get('error', one['msg'])}")
    return "; ".join(told)


async def _sources(request: Request) -> Sources:
    found: Sources = request.app.state.sources
    return found


async def known(request: Request) -> None:
    """Refuse what a route does not read: a misspelt ``baseline``, ``dry_run``, a plan as a body.

    Raises:
        Misasked: it names what there is.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    names = [one.alias for one in route.dependant.query_params]
    if unknown := sorted(set(request.query_params) - set(names)):
        raise Misasked(
            f"unknown: {unknown[0]!r:.40}; {request.url.path:.80} takes "
            f"{', '.join(names) or 'nothing'}: leave it out"
        )
    if "requestBody" not in (route.openapi_extra or {}) and _has_body(request):
        raise Misasked(
            f"{request.url.path:.80} reads no body: say all of it in the address; it takes "
            f"{', '.join(names) or 'nothing'}"
        )


def _has_body(request: Request) -> bool:
    size = request.headers.get("content-length", "0")
    return size.strip("0") != "" or "transfer-encoding" in request.headers


async def _client(
    who: Annotated[
        str, Header(alias=CLIENT, description="Who asks, as the journal is to say it.")
    ] = "",
) -> str:
    if not who:
        raise HTTPException(403, f"send the header {CLIENT}, with who you are: no web page can")
    if is_itself(who):
        raise Misasked(
            f"{CLIENT} is {who!r}: the journal has what followed by itself by that name; send yours"
        )
    return who


From = Annotated[Sources, Depends(_sources)]
Who = Annotated[str, Depends(_client)]
Number = Annotated[int, BeforeValidator(digits)]
Limit = Annotated[Number, Query(description=f"How many at most, from 1 to {MOST}.")]
OfModel = Annotated[str, Query(description="Of this model; of all if left out.")]
Folder = Annotated[str, Query(description="What is meant by its folder, if by no name.")]
Model = Annotated[str, Query(min_length=1, description="Which model.")]
Why = Annotated[str, AfterValidator(one_line), Query(description="The reason, for the journal.")]


def bounded(limit: int) -> int:
    """Return how many of something an answer holds of which ``limit`` were asked for."""
    return min(MOST, max(1, limit))
