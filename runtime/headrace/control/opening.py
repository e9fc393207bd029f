"""A controller on a run's state folder and its repository."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.config.options import ServeOptions
from headrace.control.controller import Controller
from headrace.control.finding import Finding
from headrace.control.store import Store, in_folder
from headrace.control.worst import forget_others
from headrace.registry.cache import let_go_of_others
from headrace.repository.equipped import equipped
from headrace.repository.folder import find_model, find_older
from headrace.repository.sourced import Reach


@contextmanager
def controlling(options: ServeOptions, reach: Reach) -> Iterator[Controller]:
    """Open what is wanted, and close it at the end; ``reach`` is how versions were found.

    Raises:
        StateInvalid: the database cannot be used.
    """
    store = Store(options.database or in_folder(options.state))
    try:
        forget_others(options.worst, store.models())
        yield Controller(
            store,
            Finding(
                lambda model, numbers: find_model(options.repository, model, numbers, reach),
                lambda found, numbers: find_older(found, numbers, reach),
                lambda version: equipped(version, options.state, options.engine),
                let_go_of_others,
            ),
        )
    finally:
        store.close()
