"""Versions that serve, as their files have them by now."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from headrace.config.changes import Change, changes
from headrace.config.schema import ModelConfig
from headrace.errors import NotLive, RepositoryInvalid
from headrace.repository.digest import SHOWN, digest
from headrace.repository.ensembles import too_few
from headrace.repository.folder import Version, configuration
from headrace.repository.instances import shown

#: Of what takes a restart: enough to know by.
MOST_SHOWN: Final = 10
#: Of versions whose files nobody compares.
UNKNOWN: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Changed:
    """A version with the configuration that it shall have, and what is new about it."""

    version: Version
    changes: tuple[Change, ...] = ()
    #: Digests of its files, as they were loaded and as they are, where these differ.
    files: tuple[str, str] | None = None
    #: The folder that it was loaded from is not there any more.
    is_gone: bool = False
    #: Key of a change → why it may not be, though a version that serves could take it.
    barred: Mapping[str, str] = field(default_factory=dict)

    @property
    def only_when_loaded(self) -> list[str]:
        """What a version takes only when it is loaded, in words."""
        told = [str(one) for one in self.changes if not one.is_live]
        if self.files is not None:
            before, after = (one[:SHOWN] for one in self.files)
            told.append(f"files {before} -> {after}")
        return told


def compare(
    versions: Sequence[Version], model: str, digests: Mapping[str, str] = UNKNOWN
) -> list[Changed]:
    """Return what has changed of ``model``, of all where it is empty, since it was loaded.

    ``digests``: of the files as they were loaded, by label; of those that are not in it files are
    not compared. All files of the others are read.

    Raises:
        RepositoryInvalid: there is no such model, or a file cannot be read.
        ConfigInvalid: a model.yaml is wrong.
    """
    names = sorted({one.model for one in versions})
    if model and model not in names:
        raise RepositoryInvalid(f"no model {model!r} is served here; there is {', '.join(names)}")
    configs: dict[str, ModelConfig] = {}
    found = []
    for version in versions:
        # Nothing of model.yaml is for what no host runs.
        if model not in ("", version.model) or not version.is_hosted:
            continue
        if not version.folder.is_dir():
            found.append(Changed(version, is_gone=True))
            continue
        if version.model not in configs:
            configs[version.model] = configuration(version.home)
        config = configs[version.model]
        different = tuple(changes(version.config, config))
        files = _files(version, digests.get(version.label, ""))
        if different or files is not None:
            after = replace(version, config=config)
            barred = {one.key: too_few(after, one, versions) for one in different}
            found.append(Changed(after, different, files, barred=barred))
    return found


def changed(
    versions: Sequence[Version], model: str, digests: Mapping[str, str] = UNKNOWN
) -> list[Changed]:
    """Return what `compare` finds, where versions that serve can take all of it.

    Raises:
        RepositoryInvalid, ConfigInvalid: as `compare`; or a version's folder is gone.
        NotLive: something has changed that a version takes only when it is loaded, or by which an
            ensemble sends it too many rows.
    """
    found = compare(versions, model, digests)
    for one in found:
        if one.is_gone:
            raise RepositoryInvalid(
                f"nothing was changed: {one.version.folder} is gone, from which "
                f"{one.version.label} is served"
            )
    if told := [
        f"{shown(one.version.label)}: {text}" for one in found for text in one.only_when_loaded
    ]:
        raise NotLive(
            "nothing was changed. A version takes this only when it is loaded, so restart the "
            "server, or take it back to apply the rest (changed files may have a new number):\n"
            + "\n".join(told[:MOST_SHOWN])
        )
    if told := [
        f"{shown(one.version.label)}: {change}: {why}"
        for one in found
        for change in one.changes
        if (why := one.barred.get(change.key))
    ]:
        raise NotLive("nothing was changed:\n" + "\n".join(told[:MOST_SHOWN]))
    return found


def _files(version: Version, before: str) -> tuple[str, str] | None:
    if not before:
        return None
    try:
        after = digest(version.folder, os.cpu_count() or 1)
    except OSError as error:
        raise RepositoryInvalid(
            f"{error.filename} cannot be read ({error.strerror}): let this user read it"
        ) from error
    return None if after == before else (before, after)
