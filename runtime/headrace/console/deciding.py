"""The console's answers about what is wanted: versions, traffic, the journal."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from headrace.console.answer import Answer
from headrace.control import orders
from headrace.control.controller import Controller
from headrace.control.engine import Row
from headrace.control.orders import Order
from headrace.control.store import Entry
from headrace.control.traffic import Shadow
from headrace.errors import HeadraceError, RepositoryInvalid
from headrace.execution.policy import WHOLE

#: Digits of a number in a request; Python refuses to read thousands.
MOST_DIGITS: Final = 18
Query = Mapping[str, str]
#: What ``swap`` may be, and what it says; anything else is as if left out.
SWAP: Final = {"1": True, "true": True, "0": False, "false": False}


def change(controller: Controller, path: str, query: Query, who: str) -> Answer | None:
    """Change what is wanted, as a POST to ``path`` asks; None where it is no such path."""
    performed = CHANGES.get(path)
    if performed is None:
        return None
    try:
        return Answer(200, performed(controller, query, who))
    except RepositoryInvalid as error:
        return Answer(404, {"error": str(error)})
    except Misasked as error:
        return Answer(400, {"error": str(error)})
    except HeadraceError as error:
        return Answer(409, {"error": str(error)})


def tell(controller: Controller, path: str, query: Query) -> Answer | None:
    """Answer a GET about what is wanted; None where it is no such path."""
    try:
        if path == "/api/versions":
            look = query.get("loaded", "") != "1"
            rows = controller.versions(query.get("model", ""), look=look)
            traffic = {name: one.as_json() for name, one in controller.traffic().items()}
            found = [version_json(one) for one in rows]
            return Answer(200, {"versions": found, "traffic": traffic})
        if path == "/api/journal":
            entries = controller.journal(_number(query, "limit", 100), query.get("model", ""))
            return Answer(200, {"entries": [entry_json(one) for one in entries]})
    except Misasked as error:
        return Answer(400, {"error": str(error)})
    except HeadraceError as error:
        return Answer(404, {"error": str(error)})
    return None


class Misasked(HeadraceError):
    """A request does not say what is to be done."""


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
        if not whole or not _is_number(version) or int(version) in found:
            raise Misasked(
                f"expected a percentage for each version, such as 1=90,2=10, with at most two "
                f"digits after the point, not {text!r:.100}"
            )
        found[int(version)] = int(parts)
    return found


def _load(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    model, swap = _model(query), SWAP.get(query.get("swap", ""))
    loaded = controller.load(model, _version(query), swap=swap, who=who, why=query.get("why", ""))
    return {"model": model, "version": loaded}


def _unload(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    return _obey(controller, query, who, orders.unload(_model(query), _version(query)))


def _split(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    parts = shares(query.get("shares", ""))
    return _obey(controller, query, who, orders.split(_model(query), parts))


def _rule(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    where, value = _said(query, "fact"), _said(query, "value")
    return _obey(controller, query, who, orders.rule(_model(query), where, value, _version(query)))


def _sticky(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    return _obey(controller, query, who, orders.stick(_model(query), query.get("fact") or None))


def _shadow(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    model, version = _model(query), _number(query, "version", 0)
    if not version:
        raise Misasked("say which version: &version=NUMBER")
    if query.get("off", "") in ("1", "true"):
        return _obey(controller, query, who, orders.unshadow(model, version))
    share = shares(f"{version}={query.get('percent') or 100}")[version]
    repeatable, apart = (query.get(one, "") in ("1", "true") for one in ("repeatable", "apart"))
    wanted = Shadow(version, share, repeatable, apart)
    return _obey(controller, query, who, orders.shadow(model, wanted))


def _obey(controller: Controller, query: Query, who: str, order: Order) -> dict[str, Any]:
    controller.obey(order, who=who, why=query.get("why", ""))
    return {"model": order.model, "done": order.what}


def _undo(controller: Controller, query: Query, who: str) -> dict[str, Any]:
    number = _number(query, "number", 0)
    return {"undone": controller.undo(number, who=who, why=query.get("why", ""))}


CHANGES: Final[Mapping[str, Callable[[Controller, Query, str], dict[str, Any]]]] = {
    "/api/load": _load,
    "/api/unload": _unload,
    "/api/split": _split,
    "/api/rule": _rule,
    "/api/sticky": _sticky,
    "/api/shadow": _shadow,
    "/api/undo": _undo,
}


def version_json(row: Row) -> dict[str, Any]:
    """Return a row of ``GET /api/versions``."""
    standing = row.standing
    return {
        "model": row.version.model,
        "version": row.version.number,
        "folder": str(row.version.folder),
        "wanted": row.is_wanted,
        "state": standing.state.value if standing else "not loaded",
        "reason": standing.reason if standing else "",
        "share_percent": 100 * row.share / WHOLE,
        "coming_percent": None if row.coming is None else 100 * row.coming / WHOLE,
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return a row of ``GET /api/journal``."""
    return {
        "number": entry.number,
        "unix_ms": entry.unix_ms,
        "who": entry.who,
        "model": entry.model,
        "what": entry.what,
        "why": entry.why,
        "before": entry.before and entry.before.as_json(),
        "after": entry.after.as_json(),
    }


def _model(query: Query) -> str:
    if not query.get("model"):
        raise Misasked("say which model: ?model=NAME")
    return query["model"]


def _version(query: Query) -> int | None:
    return _number(query, "version", 0) or None


def _said(query: Query, name: str) -> str:
    if not query.get(name):
        raise Misasked(f"say which {name}: &{name}=...")
    return query[name]


def _number(query: Query, name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not _is_number(text):
        raise Misasked(f"{name} should be a number, not {text!r:.40}")
    return int(text)


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= MOST_DIGITS
