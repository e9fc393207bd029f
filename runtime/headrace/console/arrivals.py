"""Versions that come into a watched repository."""

from collections.abc import Callable

from headrace.config.options import ServeOptions
from headrace.console.logbook import Logbook
from headrace.control.controller import Controller
from headrace.errors import HeadraceError
from headrace.execution.voices import OURSELVES, line
from headrace.repository.watching import Watching


def watch(options: ServeOptions, controller: Controller, logbook: Logbook) -> None:
    """Have what comes loaded from now on, if the options say so.

    Raises:
        RepositoryInvalid: the kernel does not watch the repository.
    """
    if options.watch:
        Watching(options.repository, loader(controller, logbook))


def loader(controller: Controller, logbook: Logbook) -> Callable[[str], None]:
    """Return what loads a model's new versions, and says in the log what it cannot load."""

    def load(model: str) -> None:
        try:
            controller.arrived(model)
        except HeadraceError as error:
            text = f"what is new of {model} was not loaded: {error}"
            logbook.take(line(OURSELVES, "err", text))

    return load
