"""Which models have new versions in their folders, or another configuration, as inotify tells it.

On file systems whose changes other machines make (NFS, object stores) the kernel knows nothing of
those: there versions are loaded by command.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from headrace.errors import RepositoryInvalid
from headrace.repository.folder import CONFIG, TRITONS, VERSION

#: A folder counts once nobody has written to it for so long: files come one after the other.
SETTLED_S: Final = 2.0
#: What comes at once is read at once.
TOGETHER_MS: Final = 100
#: Of a model: what kept a version from being loaded may have been mended.
CONFIGS: Final = frozenset({CONFIG, TRITONS})
#: Folders below one version's; one that has more is not looked into further down.
MOST_FOLDERS: Final = 1000


def settled(written: dict[str, float], now: float) -> tuple[set[str], float | None]:
    """Return the models that nobody writes to any more, and in how many seconds to look again."""
    done = {model for model, at in written.items() if now - at >= SETTLED_S}
    waits = [at + SETTLED_S - now for model, at in written.items() if model not in done]
    return done, min(waits) if waits else None


class Watching:
    """A thread that sleeps until something is written to the repository."""

    def __init__(self, repository: Path, arrived: Callable[[str], None]) -> None:
        """Begin; ``arrived(model)`` is called on the thread, with a model that has something new.

        Raises:
            RepositoryInvalid: the kernel does not watch it.
        """
        from inotify_simple import INotify, flags

        self._flags = flags
        self._arrived = arrived
        self._root = repository.absolute()
        #: Of folders: what comes into them, and for those of new versions also what is written.
        self._comes = flags.CREATE | flags.MOVED_TO | flags.CLOSE_WRITE | flags.ONLYDIR
        self._written = self._comes | flags.MODIFY
        #: Watch → the folder, and the model whose it is; none of the repository.
        self._folders: dict[int, tuple[Path, str]] = {}
        #: Model → when somebody last wrote to a version of it that is new.
        self._changed: dict[str, float] = {}
        try:
            with ExitStack() as held:
                self._notify = held.enter_context(INotify())
                self._watch(self._root, "")
                for folder in self._models():
                    self._watch(folder, folder.name)
                held.pop_all()
        except OSError as error:
            raise RepositoryInvalid(
                f"{self._root} cannot be watched ({error.strerror}): raise "
                "fs.inotify.max_user_watches, or start without --watch"
            ) from error
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)
        self._thread.start()

    def _models(self) -> list[Path]:
        """Return the folders that are models', or may become so."""
        below = [one for one in self._root.iterdir() if one.is_dir() and one.name[0] not in "._"]
        if any(VERSION.fullmatch(one.name) for one in below):
            return [self._root]
        return below

    def _watch(self, folder: Path, model: str, *, written: bool = False) -> None:
        mask = self._written if written else self._comes
        self._folders[self._notify.add_watch(folder, mask)] = folder, model

    def _run(self) -> None:
        wait_s: float | None = None
        while True:
            wait_ms = None if wait_s is None else max(1, round(1000 * wait_s))
            for event in self._notify.read(wait_ms, TOGETHER_MS):
                self._take(event)
            done, wait_s = settled(self._changed, time.monotonic())
            for model in sorted(done):
                del self._changed[model]
                self._arrived(model)

    def _take(self, event: Any) -> None:
        flags = self._flags
        if event.mask & flags.Q_OVERFLOW:
            # What was written is not known: whoever has something new is found by looking.
            self._changed |= dict.fromkeys((one.name for one in self._models()), time.monotonic())
            return
        if event.mask & flags.IGNORED:
            self._folders.pop(event.wd, None)
            return
        folder, model = self._folders.get(event.wd, (None, ""))
        if folder is None:
            return
        is_folder, path = bool(event.mask & flags.ISDIR), folder / event.name
        if not model:
            if is_folder and event.name[0] not in "._":
                self._come(path, path.name)
        elif folder.name != model or VERSION.fullmatch(event.name) or event.name in CONFIGS:
            self._changed[model] = time.monotonic()
            if is_folder:
                self._come(path, model)

    def _come(self, folder: Path, model: str) -> None:
        """Watch a folder that is new and all below it, which may have come with it."""
        try:
            self._watch(folder, model, written=folder.name != model)
            for at, (place, names, _) in enumerate(os.walk(folder)):
                if at >= MOST_FOLDERS:
                    break
                for name in names:
                    self._watch(Path(place) / name, model, written=True)
                    self._changed[model] = time.monotonic()
        except OSError:
            # It has gone again, or there are more than the kernel watches: what is there counts.
            self._changed[model] = time.monotonic()
