"""Versions that a gateway carries itself: what it is told of each, and what it says of them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from headrace.config import upstream
from headrace.execution.voices import legible
from headrace.models import Tensor
from headrace.models.lifecycle import Standing, State
from headrace.repository import ensembles
from headrace.repository.digest import of_version
from headrace.repository.folder import Version
from headrace.repository.kinds import FILES

#: For the first try. After it the version waits for what it needs, and others are loaded.
FIRST_TRY_S: Final = 6.0
#: As long as it takes; the core's own clock does not go beyond.
EVER_S: Final = 1e8


@dataclass(frozen=True)
class Carriage:
    """A version that a gateway is to carry itself, as its files have it."""

    label: str
    backend: str
    #: As the core reads them.
    settings: Mapping[str, Any]
    #: Of its files.
    digest: str

    @property
    def need(self) -> str:
        """What it waits for."""
        return "its server" if self.backend == "upstream" else "its models"


class CoreCarriage(Protocol):
    """A version that a gateway's core carries itself, for as long as this is not closed."""

    def wait(self, timeout_s: float) -> str: ...
    def close(self, timeout_s: float) -> bool: ...


class CoreGateway(Protocol):
    """What of a gateway's core carries versions."""

    def dial(self, upstream: str) -> CoreCarriage: ...
    def compose(self, ensemble: str) -> CoreCarriage: ...


#: Has a gateway carry a version from now on. ValueError: the core does not take its settings.
Carry = Callable[[Carriage], CoreCarriage]


@dataclass(frozen=True)
class Word:
    """How a version stands that a gateway carries."""

    standing: Standing
    #: What a row of its inputs is; empty while that is not known, and without rows.
    inputs: Sequence[Tensor] = ()
    #: It served until now.
    is_lost: bool = False


def read(version: Version) -> Carriage:
    """Return what a gateway is to know of a version.

    Raises:
        ConfigInvalid: its file is wrong.
        OSError: it cannot be read.
    """
    label, backend = version.label, version.backend
    if backend == "upstream":
        settings = _upstream(version.folder / FILES[backend], version)
    else:
        settings = ensembles.read(version).settings(version.model, version.number)
    return Carriage(label, backend, settings, of_version(version))


def _upstream(file: Path, version: Version) -> dict[str, Any]:
    told = upstream.load(file)
    return {
        "url": told.url,
        "access": told.access(version.folder),
        "declared": told.model_dump(include={"inputs", "outputs"}),
        "upstream_model": told.model or version.model,
        "upstream_version": told.version,
        "model": version.model,
        "version": version.number,
        "rows_in_flight": told.rows_in_flight,
    }


def carry(core: CoreGateway, carriage: Carriage) -> CoreCarriage:
    """Have ``core`` carry a version from now on.

    Raises:
        ValueError: it does not take the settings.
    """
    begin = core.dial if carriage.backend == "upstream" else core.compose
    return begin(json.dumps(carriage.settings))


def words(carriage: Carriage, carried: CoreCarriage) -> Iterator[Word]:
    """Yield how it stands once it was tried, and whenever that changes, until it is closed."""
    limit_s, serves = FIRST_TRY_S, False
    while True:
        told = json.loads(carried.wait(limit_s))
        limit_s = EVER_S
        if told["state"] == "over":
            return
        if told["state"] == "up":
            if serves:
                # Over another connection.
                continue
            serves = True
            inputs = () if told["unbatched"] else _tensors(told["inputs"])
            platform = f", with platform {told['platform']!r}" if told["platform"] else ""
            reason = f"what it needs is there{platform}"
            yield Word(Standing(State.READY, legible(reason)), inputs)
            continue
        if told["state"] == "refused":
            yield Word(Standing(State.FAILED, legible(told["reason"])))
            return
        is_lost, serves = serves, False
        reason = told["reason"] or f"no answer within {FIRST_TRY_S:g} s"
        standing = Standing(State.LOADING, legible(f"waits for {carriage.need}: {reason}"))
        yield Word(standing, is_lost=is_lost)


def _tensors(told: Sequence[Mapping[str, Any]]) -> list[Tensor]:
    return [Tensor(one["name"], one["datatype"], one["shape"]) for one in told]
