"""Ensembles among the versions that serve, and how many rows each sends to its models at once."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from headrace.config import ensemble
from headrace.config.changes import Change
from headrace.config.triton import ensembles
from headrace.config.triton.serving import ENSEMBLE
from headrace.config.triton.text import FILE
from headrace.errors import ConfigInvalid
from headrace.repository.folder import Version
from headrace.repository.kinds import FILES

#: By which a request may have fewer rows than before.
LESSENING: Final = frozenset({"batching.max_rows", "batching.split_oversize"})


def read(version: Version) -> ensemble.Ensemble:
    """Return what the file of an ensemble says by now.

    Raises:
        ConfigInvalid: it is wrong.
        OSError: it cannot be read.
    """
    if version.backend == ENSEMBLE:
        return ensembles.load(version.home / FILE)
    return ensemble.load(version.folder / FILES[version.backend])


def too_few(version: Version, change: Change, versions: Iterable[Version]) -> str:
    """Return why a version may not have a change: an ensemble among ``versions`` sends more rows.

    It would serve on, and not be served by the next start. Empty where there is none.
    """
    batching = version.config.batching
    if change.key not in LESSENING or change.after > change.before or batching.split_oversize:
        return ""
    for other in versions:
        if other.backend not in ("ensemble", ENSEMBLE):
            continue
        with suppress(ConfigInvalid, OSError):  # what cannot be read fails by itself
            one = read(other)
            asks = any(
                step.model == version.model and step.version in (None, version.number)
                for step in one.steps
            )
            if asks and one.max_rows > batching.max_rows:
                return (
                    f"{other.label} sends it {one.max_rows} rows at once: give that a version with "
                    f"max_rows {batching.max_rows} first, and unload {other.label}"
                )
    return ""
