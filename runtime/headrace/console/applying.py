"""What the files say against what runs, and having it run as they say."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from headrace.console.operations import Operations
from headrace.console.operations import as_json as applied_json
from headrace.control.controller import Controller
from headrace.control.engine import Coming
from headrace.errors import RepositoryInvalid
from headrace.repository.changed import Changed
from headrace.repository.digest import SHOWN
from headrace.repository.instances import is_control

BARRED: Final = "a rollout rolled it back: it gets no traffic (`headrace rollout release`)"


@dataclass(frozen=True)
class Difference:
    """One thing that the files say, and that does not run so."""

    #: ``photos/1``.
    version: str
    #: ``load``, ``setting``, ``files`` or ``gone``.
    kind: str
    #: ``batching.max_rows 64 -> 32``.
    what: str
    #: `apply` does it; else it refuses, and does nothing of the others either.
    applies: bool
    #: What comes of it, or what is to be done instead.
    note: str


def difference(
    operations: Operations, controller: Controller, query: Mapping[str, str]
) -> list[Difference]:
    """Return what `apply` of the same ``query`` would do, and what it would refuse.

    Raises:
        HeadraceError: the files are wrong, or they are not what is served here.
    """
    model = _model(controller, query)
    coming = controller.coming(model)
    served = model in ("", *controller.wanted())
    changed = operations.compare(model) if served else ()
    # A control has the files of its version, which is told of.
    told = [one for one in changed if not is_control(one.version.number)]
    found = [one for each in told for one in _of_changed(each)]
    return [*found, *map(_of_coming, coming)]


def apply(
    operations: Operations, controller: Controller, query: Mapping[str, str], who: str
) -> dict[str, Any]:
    """Have it run as the files say: settings first, all or none, and then what is new.

    Raises:
        HeadraceError: as `difference`, or something cannot be applied.
    """
    model = _model(controller, query)
    coming = controller.coming(model)
    served = model in ("", *controller.wanted())
    applied = operations.apply(model) if served else ()
    for name in sorted({one.version.model for one in coming}):
        controller.arrived(name, who=who, why=query.get("why", ""))
    loading = [asdict(_of_coming(one)) for one in coming]
    return {**applied_json(applied), "loading": loading}


def as_json(found: list[Difference]) -> dict[str, Any]:
    """Return the answer to ``GET /api/difference``."""
    return {"differences": [asdict(one) for one in found]}


def _model(controller: Controller, query: Mapping[str, str]) -> str:
    """Return which model is meant; empty for all. A folder is compared, and never opened."""
    model, folder = query.get("model", ""), query.get("folder", "")
    if not folder:
        return model
    homes = {name: Path(one.folder).resolve() for name, one in controller.wanted().items()}
    for name, home in homes.items():
        if str(home) == folder:
            return name
    if any(str(home.parent) == folder for home in homes.values()):
        return model
    served = ", ".join(sorted({str(one.parent) for one in homes.values()})) or "nothing"
    raise RepositoryInvalid(f"{folder} is not what is served here, which is from {served}")


def _of_changed(one: Changed) -> Iterator[Difference]:
    label = one.version.label
    if one.is_gone:
        note = f"it serves on; `headrace unload {label}` ends it"
        yield Difference(label, "gone", f"{one.version.folder} is gone", False, note)
    for change in one.changes:
        barred = one.barred.get(change.key, "")
        note = "at once" if change.is_live else "a version takes this only when it is loaded"
        applies = change.is_live and not barred
        yield Difference(label, "setting", str(change), applies, barred or note)
    if one.files is not None:
        before, after = (digest[:SHOWN] for digest in one.files)
        note = "it serves them as they were loaded; give these a new number, or unload and load it"
        yield Difference(label, "files", f"files {before} -> {after}", False, note)


def _of_coming(one: Coming) -> Difference:
    on_new = one.version.config.versions.on_new
    if one.is_quarantined:
        # Whatever it says.
        return Difference(one.version.label, "load", f"load {one.version.folder}", True, BARRED)
    becomes = {
        "hold": "traffic stays as it is divided",
        "swap": "takes all traffic once it is ready",
        "rollout": "gets more and more of the traffic once it is ready",
    }
    word = "swap" if one.swaps else on_new
    # Of a model that another server has had so far one takes all, whatever it says.
    note = f"{becomes[word]} (versions.on_new: {word})" if word == on_new else becomes[word]
    return Difference(one.version.label, "load", f"load {one.version.folder}", True, note)
