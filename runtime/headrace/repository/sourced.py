"""A model's folder that names a source of its versions, and has none of its own."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from headrace.config.allowed import ANY, Allowed
from headrace.config.schema import ModelConfig
from headrace.config.source import Address, StoreAddress
from headrace.errors import RepositoryInvalid, SourceAway, SourceInvalid
from headrace.registry import seen, source, stored
from headrace.registry.cache import Cache
from headrace.registry.facts import flavour
from headrace.registry.place import cache_bytes, place
from headrace.registry.redacting import without_secrets
from headrace.registry.seen import Seen
from headrace.registry.silence import Silence
from headrace.registry.tagged import Tagged, tagged

#: MLflow's name of a graph's file is ours.
GRAPH: Final = "model.onnx"


@dataclass(frozen=True)
class Reach:
    """How far a look for versions goes."""

    #: The state folder, where what is fetched is kept.
    state: Path
    #: Hears what takes its time.
    say: Callable[[str], None]
    #: Sources that may be taken.
    allowed: Allowed = ANY
    #: Where nobody answers, what was meant when somebody did.
    may_recall: bool = True
    #: Who gave no answer a moment ago.
    silence: Silence = field(default_factory=Silence)

    @property
    def models(self) -> Path:
        """The folder of what was fetched."""
        return self.state.absolute() / source.MODELS


@dataclass(frozen=True)
class Sourced:
    """A version that a source has, and its files here."""

    #: The source's.
    number: int
    place: Path
    #: ``mlflow``, or ``onnx`` for a graph; None is for the files to say.
    backend: str | None
    #: What its registry says of it; None where that is an object store.
    tagged: Tagged | None = None


def read(folder: Path, config: ModelConfig, number: int | None, reach: Reach) -> Sourced:
    """Look up a version of what a model.yaml names, and bring its files here.

    Args:
        folder: the model's.
        config: its model.yaml, which has a source.
        number: the version's; None is the one that the source means now.
        reach: where to, and whom to tell.

    Raises:
        RepositoryInvalid: there is no source.
        SourceInvalid: the version cannot be had.
    """
    if config.source is None:
        raise RepositoryInvalid(f"{folder / 'model.yaml'} has no source")
    named = config.source.parsed
    address = named if number is None else _numbered(named, number)
    try:
        reach.allowed.check(address, config.mlflow.registry)
        where, asked = _where(address, config, reach), asked_of(address, config, reach.state)
        try:
            if reach.may_recall:
                reach.silence.check(asked)
            found, what = _fetched(config, address, asked, reach)
        except SourceAway as away:
            if not reach.may_recall:
                raise
            return _as_last_seen(config, where, away, reach)
        except SourceInvalid as error:
            last = seen.recall(reach.models, where)
            if address.version is not None or last is None or not reach.may_recall:
                raise
            return _as_last_meant(folder, config, last.number, error, reach)
        seen.remember(reach.models, where, what)
        # What an alias means, or is the highest, is asked for by its number after a start.
        by_number = _where(_numbered(address, found.number), config, reach)
        seen.remember(reach.models, by_number, what)
    except SourceInvalid as error:
        told = without_secrets(str(error), os.environ, (config.mlflow.registry or "",))
        raise SourceInvalid(f"{folder / 'model.yaml'}: source {address}: {told}") from error
    return found


def _fetched(
    config: ModelConfig, address: Address | StoreAddress, asked: str, reach: Reach
) -> tuple[Sourced, Seen]:
    sha256 = None if config.source is None else config.source.sha256
    # Who answers and then takes long over the files does not hang.
    if isinstance(address, StoreAddress):
        with reach.silence.heard(asked, reach.say):
            listed = stored.resolve(address)
        folder = stored.fetch(listed, state=reach.state, say=reach.say, sha256=sha256)
        return _sourced(folder, Seen(listed.number, address.model, listed.key, None))
    with reach.silence.heard(asked, reach.say):
        facts = source.resolve(address, registry=config.mlflow.registry, state=reach.state)
    chosen = flavour(facts.flavours, facts.label)
    if facts.signature is None and chosen != "onnx":
        raise SourceInvalid(
            f"{facts.label} has no signature, which says what callers send: log it with "
            "signature=mlflow.models.infer_signature(inputs, model.predict(inputs))"
        )
    folder = source.fetch(facts, state=reach.state, say=reach.say, sha256=sha256)
    is_graph = chosen == "onnx" and (folder / GRAPH).is_file()
    backend = "onnx" if is_graph else "mlflow"
    what = Seen(facts.number, facts.model, source.key(facts), backend, tagged(facts.tags))
    return _sourced(folder, what)


def _as_last_seen(config: ModelConfig, where: str, away: SourceAway, reach: Reach) -> Sourced:
    """Return what is here, where nobody says what there is."""
    last = seen.recall(reach.models, where)
    if last is None:
        raise away
    cache = Cache(reach.models, cache_bytes(os.environ))
    sha256 = None if config.source is None else config.source.sha256
    folder = seen.take(cache, last, away, reach.say, sha256)
    reach.say(
        f"{away}; taken is what is here, version {last.number}, which was meant when it was last "
        "asked"
    )
    return _sourced(folder, last)[0]


def _as_last_meant(
    folder: Path, config: ModelConfig, number: int, error: SourceInvalid, reach: Reach
) -> Sourced:
    """Return what was meant by an alias that is gone now, or leads to what cannot be had.

    Whoever moves an alias does not decide whether a server starts.
    """
    try:
        found = read(folder, config, number, reach)
    except SourceInvalid:
        raise error from None
    reach.say(f"{error}; taken is version {number}, which was meant when it was last asked")
    return found


def _sourced(folder: Path, what: Seen) -> tuple[Sourced, Seen]:
    return Sourced(what.number, folder, what.backend, what.tagged), what


def _numbered(address: Address | StoreAddress, number: int) -> Address | StoreAddress:
    if isinstance(address, StoreAddress):
        return replace(address, version=number)
    return replace(address, version=number, alias=None)


def _where(address: Address | StoreAddress, config: ModelConfig, reach: Reach) -> str:
    """Return the address with where it is asked: two registries have other versions."""
    if isinstance(address, StoreAddress):
        return str(address)
    asked = place(config.mlflow.registry, os.environ, reach.state)
    return f"{address} in {asked.registry}"


def asked_of(address: Address | StoreAddress, config: ModelConfig, state: Path) -> str:
    """Return who is asked, as people may be shown it: a registry, or a bucket."""
    if isinstance(address, StoreAddress):
        return "/".join(address.folder.split("/")[:3])
    asked = place(config.mlflow.registry, os.environ, state)
    return without_secrets(asked.registry, os.environ, asked.addresses)
