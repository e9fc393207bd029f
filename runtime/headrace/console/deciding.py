"""The console's answers that change what is wanted: versions, traffic, batching."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from headrace.console import applying, schema
from headrace.console.answering import in_thread
from headrace.console.loaded_schema import Loaded
from headrace.console.parameters import (
    Folder,
    From,
    Misasked,
    Model,
    Number,
    OfModel,
    Who,
    Why,
    shares,
)
from headrace.control import orders
from headrace.control.orders import Order
from headrace.control.rows import Row
from headrace.control.store import Entry
from headrace.control.traffic import Shadow
from headrace.execution.policy import WHOLE

#: For gateways to take a table, before the answer: an order is kept, whether they do or not.
CATCH_UP_S: Final = 5.0
#: What ``swap`` and ``old_first`` may be, and what it says; anything else is as if left out.
SAID: Final = {"1": True, "true": True, "0": False, "false": False}
Version = Annotated[Number, Query(description="Of the model; 0 is as if left out.")]
TRUE: Final = frozenset({"1", "true"})
Flag = Annotated[str, Query(description="1 or true; anything else is as if left out.")]
Fact = Annotated[str, Query(description="header:NAME or parameter:NAME.")]

router = APIRouter()


@router.post("/api/load", response_model=Loaded)
@in_thread
def load(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    model: Model,
    version: Version = 0,
    swap: str = "",
    old_first: str = "",
    why: Why = "",
) -> dict[str, Any]:
    """Load a version, the highest one if none is named, as `headrace load`."""
    first = SAID.get(old_first)
    if first is not None and not SAID.get(swap):
        raise Misasked("old_first is how a version swaps: say swap=1, too")
    loaded = sources.controller.load(
        model, version or None, swap=SAID.get(swap), old_first=first, who=who, why=why
    )
    one = sources.controller.quarantine.of(model, loaded)
    return {"model": model, "version": loaded, "quarantined": "" if one is None else str(one)}


@router.post("/api/unload", response_model=schema.Done)
@in_thread
def unload(
    sources: From, who: Who, model: Model, version: Version = 0, why: Why = ""
) -> dict[str, Any]:
    """Unload a version, the whole model if none is named, as `headrace unload`."""
    return _obey(sources, orders.unload(model, version or None), who, why)


@router.post("/api/split", response_model=schema.Done)
@in_thread
def split(
    sources: From,
    who: Who,
    model: Model,
    parts: Annotated[str, Query(alias="shares", description="Such as 1=90,2=10.")] = "",
    why: Why = "",
) -> dict[str, Any]:
    """Divide the requests that name no version, as `headrace split`."""
    return _obey(sources, orders.split(model, shares(parts)), who, why)


@router.post("/api/alias", response_model=schema.Done)
@in_thread
def alias(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    model: Model,
    name: Annotated[str, Query(min_length=1)],
    version: Version = 0,
    why: Why = "",
) -> dict[str, Any]:
    """Have an alias lead to a version, as `headrace alias`; without a version, to none."""
    return _obey(sources, orders.alias(model, name, version or None), who, why)


@router.post("/api/rule", response_model=schema.Done)
@in_thread
def rule(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    model: Model,
    fact: Annotated[Fact, Query(min_length=1)],
    value: Annotated[str, Query(min_length=1)],
    version: Version = 0,
    why: Why = "",
) -> dict[str, Any]:
    """Have a version answer who carries a value, as `headrace rule`; without one, as others."""
    return _obey(sources, orders.rule(model, fact, value, version or None), who, why)


@router.post("/api/sticky", response_model=schema.Done)
@in_thread
def sticky(sources: From, who: Who, model: Model, fact: Fact = "", why: Why = "") -> dict[str, Any]:
    """Have one version answer who says the same, as `headrace sticky`; without a fact, nobody."""
    return _obey(sources, orders.stick(model, fact or None), who, why)


@router.post("/api/shadow", response_model=schema.Done)
@in_thread
def shadow(  # noqa: PLR0913 - a parameter is one of the request
    sources: From,
    who: Who,
    model: Model,
    version: Version = 0,
    percent: str = "",
    off: Flag = "",
    repeatable: Flag = "",
    apart: Flag = "",
    keep_worst: Number = 0,
    why: Why = "",
) -> dict[str, Any]:
    """Have a version get copies of what others answered, as `headrace shadow`; none with `off`."""
    if not version:
        raise Misasked("say which version: &version=NUMBER")
    if off in TRUE:
        return _obey(sources, orders.unshadow(model, version), who, why)
    share = shares(f"{version}={percent or 100}")[version]
    wanted = Shadow(version, share, repeatable in TRUE, apart in TRUE, keep_worst)
    return _obey(sources, orders.shadow(model, wanted), who, why)


@router.post("/api/undo", response_model=schema.Undone)
@in_thread
def undo(sources: From, who: Who, number: Number = 0, why: Why = "") -> dict[str, Any]:
    """Go back to what was wanted before an entry of the journal, as `headrace undo`."""
    undone = sources.controller.undo(number, who=who, why=why)
    sources.controller.catch_up(CATCH_UP_S)
    return {"undone": undone}


@router.post("/api/apply", response_model=schema.Applied)
@in_thread
def apply(
    sources: From, who: Who, model: OfModel = "", folder: Folder = "", why: Why = ""
) -> dict[str, Any]:
    """Have it run as the files of a model say, of all if none is named, as `headrace apply`."""
    query = {"model": model, "folder": folder, "why": why}
    return applying.apply(sources.operations, sources.controller, query, who)


def _obey(sources: From, order: Order, who: str, why: str) -> dict[str, Any]:
    sources.controller.obey(order, who=who, why=why)
    sources.controller.catch_up(CATCH_UP_S)
    return {"model": order.model, "done": order.what}


def version_json(row: Row) -> dict[str, Any]:
    """Return a row of ``GET /api/versions``."""
    standing = row.standing
    return {
        "model": row.version.model,
        "version": row.version.number,
        "folder": str(row.version.folder),
        "wanted": row.is_wanted,
        "state": standing.state.value if standing else "not loaded",
        "reason": row.reason,
        "share_percent": 100 * row.share / WHOLE,
        "coming_percent": None if row.coming is None else 100 * row.coming / WHOLE,
        "quarantined": "" if row.quarantine is None else str(row.quarantine),
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
