"""From an address in an object store to the files that it means."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.config.source import StoreAddress
from headrace.registry.answering import STORE
from headrace.registry.asking import ask
from headrace.registry.cache import Cache
from headrace.registry.place import cache_bytes
from headrace.registry.source import MODELS, PATIENCE_S, SHOWN


@dataclass(frozen=True)
class Stored:
    """One version, as its store lists it now."""

    address: StoreAddress
    number: int
    #: SHA-256 of the list of its objects, with their sizes and ETags.
    digest: str

    @property
    def key(self) -> str:
        """The name of the folder that its files are kept in."""
        return f"{self.number}-{self.digest[:SHOWN]}"


def resolve(address: StoreAddress) -> Stored:
    """Return the version that ``address`` means now.

    Raises:
        SourceInvalid: there is none, it may not be read, or has objects that cannot be files.
        SourceAway: the store gives no answer.
    """
    question = {"ask": "resolve", **_of(address.folder, address.version)}
    told = ask(question, lambda text: None, within_s=PATIENCE_S)
    return Stored(address, int(told["number"]), str(told["digest"]))


def fetch(
    found: Stored, *, state: Path, say: Callable[[str], None], sha256: str | None = None
) -> Path:
    """Return the folder with a version's files, which are fetched if they are not here.

    It stays until this process ends, or says `headrace.registry.cache.let_go`.

    Args:
        found: what was resolved.
        state: the state folder: files are in its ``models``.
        say: hears how far it is, a line at a time.
        sha256: of the files, as `headrace.registry.cache.checksum` has it; None takes any.

    Raises:
        SourceInvalid: the files are others by now, or there is no room.
        SourceAway: the store gives no answer; what is here of them is kept for the next try.
        EnvironmentInvalid: the bound of what is kept is no number.
    """
    cache = Cache(state.absolute() / MODELS, cache_bytes(os.environ))
    address = found.address
    label = f"{address.model}/{found.number}"

    def fill(target: Path) -> None:
        question = {
            "ask": "fetch",
            "digest": found.digest,
            "target": str(target),
            "most_bytes": cache.most_bytes,
            **_of(address.folder, found.number),
        }
        say(f"fetches {label} from {address.folder}/{found.number}")
        ask(question, lambda text: say(f"{label}: {text}"))

    return cache.take(address.model, found.key, fill, say, sha256)


def _of(folder: str, version: int | None) -> dict[str, str | int | None]:
    return {"of": STORE, "address": folder, "version": version}
