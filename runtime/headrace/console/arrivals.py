"""What a controller hears of by itself: how versions stand, what they do, and what comes."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from urllib.parse import quote

from headrace.config.options import ServeOptions
from headrace.console.logbook import Logbook
from headrace.control import orders
from headrace.control.announcing import Announcer
from headrace.control.controller import Controller
from headrace.control.reports import Registered, registered
from headrace.control.returning import Returning
from headrace.control.rollouts import Rollouts
from headrace.control.starting import ITSELF
from headrace.control.telling import Telling
from headrace.errors import HeadraceError
from headrace.execution.voices import OURSELVES, line
from headrace.hooks.told import Origin, Told
from headrace.models.lifecycle import Standing
from headrace.registry.redacting import trace
from headrace.registry.reporting import Reporter, asking
from headrace.repository.declared import asked_of, config_of
from headrace.repository.watching import Watching


def watch(options: ServeOptions, controller: Controller, logbook: Logbook) -> None:
    """Have what comes loaded from now on: what was away as the server started, and what comes
    into the folder, if the options say so.

    Raises:
        RepositoryInvalid: the kernel does not watch the repository.
    """
    Returning(
        controller,
        lambda text: logbook.take(line(OURSELVES, "out", text)),
        lambda model: asked_of(options.repository, model, options.state),
    ).begin()
    if options.watch:
        Watching(options.repository, loader(controller, logbook))


def rolling(  # noqa: PLR0913 - an engine tells all of this
    options: ServeOptions,
    controller: Controller,
    logbook: Logbook,
    gateways: Callable[[], Sequence[str]],
    crashes: Callable[[], Mapping[str, int]] = dict,
    *,
    digest: Callable[[str], str],
) -> Rollouts:
    """Return what steers rollouts, by what gateways count, and says in the log what it does.

    ``digest``: returns that of the files that a version was loaded from, by label; empty before.

    Raises:
        StateInvalid: there is no place for reports, or for what hooks are to be told.
    """

    def say(text: str) -> None:
        logbook.take(line(OURSELVES, "out", text))

    controller.quarantine.loaded = digest
    # A console's port tells servers of one machine apart.
    source = f"//{quote(socket.gethostname())}:{options.first_port + 3}"
    origin = Origin(source, controller.store.labels.key)
    told = Told(options.hooks, options.state, origin, say)
    announcer = Announcer(told, controller, digest, say) if told else None
    known = partial(where_registered, options, controller)
    deliver = asking(options.state, options.account)
    telling = Telling(Reporter(options.state, say, deliver=deliver), known, say, announcer)
    return Rollouts(controller, gateways, crashes, telling)


def where_registered(
    options: ServeOptions, controller: Controller, model: str, version: int
) -> Registered | None:
    """Return where a version is registered; None where nobody is to be told.

    Of one that is not loaded, any more or while the source of its model is away, its model.yaml
    says it: an end is told then, too.

    Raises:
        RepositoryInvalid: there is no such model any more.
        ConfigInvalid: its model.yaml is wrong.
    """
    held = (row.version for row in controller.held(model))
    config = next((one.config for one in held if one.number == version), None)
    asked = config_of(options.repository, model) if config is None else config
    return registered(model, asked, os.environ, options.state)


def tell_lost(controller: Controller, logbook: Logbook) -> None:
    """Say in the log what was wanted before this start, and is not there any more, or has none of
    the traffic because it was rolled back.
    """
    for one in controller.lost():
        logbook.take(line(OURSELVES, "err", str(one)))
    for row in controller.held():
        if row.quarantine is not None:
            told = f"{row.version.label} gets no traffic: it is {row.quarantine}"
            logbook.take(line(OURSELVES, "err", told))


def stand(controller: Controller, logbook: Logbook, standings: Mapping[str, Standing]) -> None:
    """Tell how versions stand, and say in the log what cannot be decided or written down."""
    try:
        controller.stood(standings)
    except HeadraceError as error:
        text = f"what follows from how versions stand was not decided: {error}"
        logbook.take(line(OURSELVES, "err", text))


def evict(controller: Controller, logbook: Logbook, label: str, why: str) -> None:
    """Have a version unloaded that others need the memory of, unless it is in use by now."""
    model, _, number = label.rpartition("/")
    try:
        controller.obey(orders.evict(model, int(number)), who=ITSELF, why=why)
        logbook.take(line(OURSELVES, "out", f"{label} is unloaded: it {why}"))
    except HeadraceError as error:
        logbook.take(line(OURSELVES, "err", f"{label} was not unloaded for others: {error}"))


def loader(controller: Controller, logbook: Logbook) -> Callable[[str], None]:
    """Return what loads a model's new versions, and says in the log what it cannot load."""

    def say(stream: str, text: str) -> None:
        logbook.take(line(OURSELVES, stream, text))

    def load(model: str) -> None:
        if any(row.version.config.source is not None for row in controller.held(model)):
            # Who writes to model.yaml does not say that traffic is to follow an alias.
            say("out", f"{model} serves what was resolved: `headrace load {model}` asks its source")
            return
        try:
            controller.arrived(model)
        except HeadraceError as error:
            say("err", f"what is new of {model} was not loaded: {error}")
        # Whatever was not foreseen: what comes next is loaded all the same.
        except Exception as error:
            say("err", f"what is new of {model} was not loaded: {trace(error)}")

    return load
