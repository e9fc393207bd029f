"""From an address of MLflow's registry to the files that it means."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from headrace.config.source import Address
from headrace.registry.answering import MLFLOW
from headrace.registry.asking import ask
from headrace.registry.cache import Cache
from headrace.registry.facts import Facts, from_json
from headrace.registry.place import cache_bytes, check_there, place
from headrace.registry.redacting import without_secrets

#: Of the state folder.
MODELS: Final = "models"
#: Of a digest in a folder's name: enough to tell two registries' versions apart.
SHOWN: Final = 12
#: A first look into a database writes its tables; an HTTP server may be asked thrice.
PATIENCE_S: Final = 240.0


def resolve(address: Address, *, registry: str | None, state: Path) -> Facts:
    """Return the version that ``address`` means now.

    Args:
        address: an alias is looked up afresh with every call, and moves nothing by itself.
        registry: ``mlflow.registry`` of model.yaml; None is where MLflow's variables say, else a
            database in ``state``.
        state: the state folder.

    Raises:
        SourceInvalid: the registry has no such model, version, alias or files.
        SourceAway: it gives no answer.
    """
    asked = place(registry, os.environ, state)
    check_there(asked, state)
    question = {
        "of": MLFLOW,
        "ask": "resolve",
        "place": asdict(asked),
        "model": address.model,
        "version": address.version,
        "alias": address.alias,
    }
    return from_json(ask(question, _nobody, within_s=PATIENCE_S))


def key(facts: Facts) -> str:
    """Return the name of the folder that a version's files are kept in."""
    return f"{facts.number}-{facts.digest[:SHOWN]}"


def fetch(
    facts: Facts, *, state: Path, say: Callable[[str], None], sha256: str | None = None
) -> Path:
    """Return the folder with a version's files, which are fetched if they are not here.

    It stays until this process ends, or says `headrace.registry.cache.let_go`.

    Args:
        facts: what was resolved.
        state: the state folder: files are in its ``models``.
        say: hears how far it is, a line at a time.
        sha256: of the files, as `headrace.registry.cache.checksum` has it; None takes any.

    Raises:
        SourceInvalid: the files are not there, or are others, or there is no room.
        SourceAway: where they are gives no answer.
        EnvironmentInvalid: the bound of what is kept is no number.
    """
    cache = Cache(state.absolute() / MODELS, cache_bytes(os.environ))

    def fill(target: Path) -> None:
        question = {
            "of": MLFLOW,
            "ask": "fetch",
            "place": asdict(facts.place),
            "artifacts": facts.artifacts,
            "target": str(target),
            "most_bytes": cache.most_bytes,
        }
        shown = without_secrets(facts.artifacts, os.environ, (facts.artifacts,))
        say(f"fetches {facts.label} from {shown}")
        ask(question, lambda text: say(f"{facts.label}: {text}"))

    return cache.take(facts.model, key(facts), fill, say, sha256)


def _nobody(text: str) -> None:
    """Hear nothing: to resolve an address takes one step."""
