"""`headrace check`: every version, loaded and run at several batch sizes, without a server."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from headrace.config.options import STATE
from headrace.errors import HeadraceError
from headrace.execution import lanes, threads
from headrace.execution.calling import Calling
from headrace.execution.device.choice import number_as_the_driver_does
from headrace.execution.opening import context, open_model
from headrace.execution.unhosted import read
from headrace.repository import told
from headrace.repository.equipped import equipped
from headrace.repository.folder import Version, look, tell
from headrace.repository.sourced import Reach

if TYPE_CHECKING:
    from headrace.execution.trial import Trial

#: Times that a size is run; the fastest counts, the others were disturbed.
ROUNDS = 3


@dataclass(frozen=True)
class Checked:
    """What came out of one version."""

    label: str
    #: None: it did not load.
    load_s: float | None = None
    trials: "list[Trial]" = field(default_factory=list)
    #: What went wrong, as a traceback; empty when nothing did.
    error: str = ""
    #: The server that has it, and is not asked; empty where it runs here.
    elsewhere: str = ""
    #: It calls other models, which are there in a server only, and was run until there.
    calls: bool = False


def check(path: Path) -> Iterator[Checked]:
    """Yield the outcome of each version below ``path``, as it is found.

    A source is asked what it has now: what it had before is no answer to whether that works.
    """
    found = look(path, Reach(STATE, tell, may_recall=False))
    yield from (Checked(model, error=why) for model, why in found.away.items())
    if not (versions := found.versions):
        return
    # One after the other.
    most = threads.Lanes("", max(one.config.lanes for one in versions))
    budget = threads.plan(threads.cpus(), [most], threads.told(os.environ))
    threads.tell_libraries(budget, os.environ)
    number_as_the_driver_does(os.environ)
    for version in versions:
        count = version.config.placement.threads or budget.share
        threads.take(count, os.environ)
        yield run(version, count) if version.config.environment is None else apart(version, count)


def sizes(max_rows: int) -> list[int]:
    """Return the batch sizes to try: powers of two, and the largest."""
    powers = [1 << bit for bit in range(max_rows.bit_length()) if 1 << bit <= max_rows]
    return sorted({*powers, max_rows})


def apart(version: Version, count: int) -> Checked:
    """Return what comes of a version in the environment that it has to itself.

    Raises:
        HeadraceError: it cannot be had.
    """
    import pickle
    import subprocess

    python = equipped(version, STATE).python
    asked = json.dumps({"version": told.as_json(version), "threads": count}).encode()
    program = [str(python), "-m", "headrace.cli.checking_apart"]
    done = subprocess.run(program, input=asked, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return Checked(version.label, error=f"its process ended with {done.returncode}")
    checked: Checked = pickle.loads(done.stdout)  # of our own process
    return checked


def run(version: Version, count: int) -> Checked:
    """Load a version in this process and run it, on so many threads; return what comes of it."""
    import traceback

    # Brings NumPy, which must not come before its count of threads is set.
    from headrace.execution import rehearsal, samples, sequencing, trial
    from headrace.execution.device.choice import choose
    from headrace.execution.passage import Passage

    config = version.config

    checked, calling = Checked(version.label), Calling(version)
    if not version.is_hosted:
        return _unhosted(version)
    try:
        began = perf_counter()
        model = open_model(version, count)
        given = context(version, calling)
        model.load(given)
        load_s = perf_counter() - began
        checked = Checked(version.label, load_s)
        lane = choose(given.device, in_turn=model.concurrency == 1).lane()
        if config.streams:
            once = partial(rehearsal.run, model, given.device)
        else:
            once = partial(trial.run, Passage(version.label, model, lane), config=config)
        found = samples.samples(version, sequencing.asked(model.inputs, config.sequences))
        if found:
            once = partial(once, example=found[0].example)
        with lanes.inference_mode(), lane.using():
            for rows in config.batching.allowed_rows or sizes(config.batching.max_rows):
                runs = [once(rows, perf_counter) for _ in range(ROUNDS)]
                checked.trials.append(min(runs, key=lambda one: one.seconds))
    except BaseException as error:
        # All of them: a model that calls sys.exit() fails this check, and does not end it.
        if isinstance(error, KeyboardInterrupt):
            raise
        if calling.was_early:
            return replace(checked, calls=True)
        text = "".join(traceback.format_exception(error)).rstrip()
        return Checked(checked.label, checked.load_s, checked.trials, text)
    return checked


def _unhosted(version: Version) -> Checked:
    try:
        told = read(version).settings
    except (HeadraceError, OSError) as error:
        return Checked(version.label, error=str(error))
    if "url" in told:
        return Checked(version.label, elsewhere=f"at {told['url']}")
    models = sorted({step["model"] for step in told["steps"]})
    return Checked(version.label, elsewhere=f"by way of {', '.join(models)}")


def lines(checked: Checked) -> Iterator[str]:
    """Yield the outcome as a person reads it: the verdict first."""
    yield f"{checked.label}: {_verdict(checked)}"
    for one in checked.trials:
        ms = one.seconds * 1e3
        rejected = f"   {len(one.rejected)} rows rejected" if one.rejected else ""
        steps = f"   a step, the slowest of {one.steps}; {one.parts} parts" if one.steps else ""
        yield f"  {one.rows:5} rows  {ms:9.3f} ms  {ms / one.rows:9.4f} ms a row{steps}{rejected}"
    reasons = {why for one in checked.trials for why in one.rejected.values()}
    for why in sorted(reasons)[:3]:
        yield f"  rejected: {why}"
    nothing = any(one.steps and not one.parts for one in checked.trials)
    if nothing and not reasons:
        yield "  no part came, so there was little to measure"
    if reasons or nothing:
        yield "  without example() in the class inputs are made up: let it give real ones"
    if checked.error:
        yield checked.error


def _verdict(checked: Checked) -> str:
    if checked.elsewhere:
        return f"runs {checked.elsewhere}, which was not asked"
    if checked.load_s is None:
        return "FAILED to load"
    if checked.calls:
        return f"loaded in {checked.load_s:.2f} s, and calls other models: run it in a server"
    if not checked.error:
        return f"loaded in {checked.load_s:.2f} s, and works"
    tried = checked.trials[-1].rows if checked.trials else 0
    after = f", after it worked with {tried} rows" if tried else ""
    return f"FAILED to run; it loaded in {checked.load_s:.2f} s{after}"


def as_json(checked: Checked) -> dict[str, Any]:
    """Return the outcome as a program reads it."""
    return {
        "version": checked.label,
        "ok": not checked.error,
        "error": checked.error,
        "load_s": checked.load_s,
        "batches": [
            {
                "rows": one.rows,
                "seconds": one.seconds,
                "ms_a_row": one.seconds * 1e3 / one.rows,
                "rejected": len(one.rejected),
                "steps": one.steps,
                "parts": one.parts,
            }
            for one in checked.trials
        ],
    }
