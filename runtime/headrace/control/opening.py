"""A controller on a run's state folder and its repository."""

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.config.options import ServeOptions
from headrace.control.controller import Controller
from headrace.control.finding import Finding
from headrace.control.store import Store, in_folder
from headrace.repository.folder import find_model, find_older


@contextmanager
def controlling(options: ServeOptions) -> Iterator[Controller]:
    """Open what is wanted, and close it at the end.

    Raises:
        StateInvalid: the database cannot be used.
    """
    store = Store(options.database or in_folder(options.state))
    try:
        yield Controller(
            store,
            Finding(
                lambda model: find_model(options.repository, model, options.state),
                lambda found, numbers: find_older(found, numbers, options.state),
            ),
        )
    finally:
        store.close()
