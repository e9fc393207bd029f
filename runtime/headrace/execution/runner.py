"""A version's life in a host: loaded, warmed up, answering, drained."""

import json
import os
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from headrace.errors import HeadraceError, ModelInvalid, NotLive
from headrace.execution import forking, lanes, sequencing, steps, threads
from headrace.execution.calling import Calling
from headrace.execution.core import CoreHost, CoreIntake
from headrace.execution.device.choice import choose, keep_to
from headrace.execution.device.seam import Device, Lane
from headrace.execution.first_batches import FirstBatches
from headrace.execution.hangs import Hang
from headrace.execution.memory.admission import NoRoom
from headrace.execution.memory.reckoning import Reckoning, reckoning
from headrace.execution.opening import (
    batching_facts,
    check_batching,
    context,
    contract,
    open_model,
)
from headrace.execution.passage import prepares
from headrace.execution.voices import Sink, bounded, legible, line, speaking, text_of
from headrace.execution.warm_up import WarmUp
from headrace.models import Model, Tensor
from headrace.models.lifecycle import BEGIN, Standing, State
from headrace.models.shortage import Shortage
from headrace.repository.digest import digest
from headrace.repository.folder import Version
from headrace.repository.instances import original

if TYPE_CHECKING:
    from headrace.execution.recording import Recorder

#: Of a standing's reason, which is in the policy and in answers; the log has the rest.
MOST_REASON: Final = 4000


class Runner:
    """Carries one version in a core Host. Methods are called by one thread, in order, or say so."""

    def __init__(  # noqa: PLR0913 - an engine gives all of this
        self,
        version: Version,
        host: CoreHost,
        sink: Sink,
        moved: Callable[[Standing], None],
        *,
        threads: int,
        recordings: Path | None = None,
    ) -> None:
        self.version = version
        #: Of its files, as they were when it was loaded.
        self.digest = ""
        #: That each lane may work on a batch with.
        self.threads = threads
        self.standing = BEGIN
        #: When it came there.
        self.since = monotonic()
        #: What the model takes, once it was opened.
        self.inputs: Sequence[Tensor] = ()
        self._calling = Calling(version)
        self._host = host
        self._sink = sink
        #: What was sent to versions of the model, where that is kept.
        self._recorded = (
            recordings / version.model if recordings and version.config.recording else None
        )
        self._moved = moved
        #: What it has of its GPU.
        self.memory: Reckoning = reckoning(version, self._say)
        self._threads: list[threading.Thread] = []
        #: Weak: with the last lane the version goes, and its callers are told.
        self._intake: Callable[[], CoreIntake | None] = lambda: None
        #: Of moves away from READY, for a model may hang while the server ends; and of changes.
        self._lock = threading.Lock()

    @property
    def lanes(self) -> int:
        """How many of them have its batches."""
        return self.version.config.lanes

    def start(self, expected: str = "") -> bool:
        """Load, warm up and answer; False when that failed, and the standing says why.

        ``expected``: the digest that the files must have; empty if they may be any.
        """
        began = monotonic()
        label = self.version.label
        self._move(State.LOADING, str(self.version.folder))
        try:
            self._check_files(expected)
            threads.take(self.threads, os.environ)
            with speaking(label), forking.parent_alone(label):
                model = open_model(self.version, self.threads)
                self.inputs = sequencing.asked(model.inputs, self.version.config.sequences)
                told = context(self.version, self._calling)
                self.memory.admit()
                keep_to(told.device, self.version.config.placement.gpus)
                model.load(told)
            self._move(State.WARMING, "running its first batches")
            device = choose(told.device, in_turn=model.concurrency == 1)
            with speaking(label), forking.parent_alone(label):
                first = WarmUp(
                    self.version,
                    self.inputs,
                    self._recorded,
                    self._calling,
                    self.memory,
                    self._say,
                )
                most_rows = first.run(model, device)
            self.memory.settle()
            self._answer(model, device, most_rows, first.again)
            self._calling.serves = True
        except BaseException as error:
            self._fail(error)
            self._let_go_of_memory()
            return False
        self._move(State.READY, f"loaded in {monotonic() - began:.1f} s")
        return True

    def stop(self, limit_s: float) -> bool:
        """Answer what was taken, and no more; False when a lane still runs after ``limit_s``."""
        with self._lock:
            if self.standing.state is not State.READY:
                return True
            self._move(State.DRAINING, "finishing what was accepted")
        self._host.close(self.version.model, self.version.number)
        until = monotonic() + limit_s
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))
        clean = not any(thread.is_alive() for thread in self._threads)
        if clean:
            self._threads = []
            self._let_go_of_memory()
        self._move(State.GONE, "drained" if clean else f"a batch still ran after {limit_s:g} s")
        return clean

    def change(self, version: Version) -> None:
        """Batch as the configuration of ``version`` says from now on. Any thread may call this.

        Raises:
            ModelInvalid: it does not fit the model; nothing was changed.
            NotLive: what the model takes is not known yet.
        """
        with self._lock:
            if not self.inputs:
                raise NotLive(
                    f"{version.label} is {self.standing.state.value}: apply once it serves"
                )
            check_batching(version.config.batching, self.inputs)
            self.version = version
            if (intake := self._intake()) is not None:
                intake.update(json.dumps(batching_facts(version.config.batching)))

    def say_where_it_hangs(self, hang: Hang) -> None:
        """Show in the log where the model is that hangs; any thread may call this."""
        if hang.lost_device:
            # Its lane has told.
            return
        text = f"{hang}; it is here:\n{lanes.whereabouts(self._threads)}"
        self._sink(line(self.version.label, "err", text, lanes.new_error_id()))

    def give_up(self, hang: Hang) -> None:
        """Serve no more: the core has closed the version, and its model keeps its threads.

        Any thread may call this.
        """
        with self._lock:
            if self.standing.state is State.READY:
                self._move(State.FAILED, f"{hang}; start headrace again to serve it")

    def _check_files(self, expected: str) -> None:
        """Find out what the files are: other hosts of the version have the same."""
        label, self.digest = original(self.version.label), digest(self.version.folder, self.threads)
        if expected not in ("", self.digest):
            raise ModelInvalid(
                f"the files of {label} have changed since it was loaded: give them a "
                f"new number, or `headrace load {label}` to load them as they are now"
            )

    def _answer(
        self,
        model: Model,
        device: Device,
        most_rows: int | None,
        again: Callable[[Lane], object],
    ) -> None:
        """Have lanes that have run one batch each, which nobody sent."""
        with self._lock:
            config = self.version.config
            ahead = prepares(model, device, config.lanes)
            intake = self._host.open(
                contract(self.version, model),
                concurrency=model.concurrency,
                hang_timeout_s=config.limits.hang_timeout_s,
                prepares=ahead,
                lend=device.lend if device.is_apart else None,
            )
            if most_rows is not None:
                intake.limit_rows(most_rows)
            self._intake = weakref.ref(intake)
        work = lanes.Work(
            label=self.version.label,
            model=model,
            device=device,
            intake=intake,
            sink=self._sink,
            prepares=ahead,
            threads=self.threads,
            torch_threads=threads.of_torch(),
            recorder=self._recorder(),
            first=(first := FirstBatches(config.lanes, again, self._say)),
        )
        run = steps.run_steps if config.streams else lanes.run_lane
        self._threads = lanes.start(work, config.lanes, run)
        first.wait()

    def _recorder(self) -> "Recorder | None":
        from headrace.execution.recording import Recorder

        wish = self.version.config.recording
        if wish is None or self._recorded is None:
            return None
        return Recorder(self._recorded, wish, self.inputs, monotonic, self._say)

    def _let_go_of_memory(self) -> None:
        """Let others have what the model had, once it has nothing any more."""
        lanes.empty_cache()
        try:
            self.memory.release()
        except HeadraceError as error:
            self._say(str(error))

    def _say(self, text: str) -> None:
        self._sink(line(self.version.label, "log", text))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, NoRoom):
            # No mistake of anybody's: where others are let go for it, it is loaded after all.
            self._say(f"was not loaded: {error}")
            self._move(State.FAILED, str(error), error.shortage)
            return
        error_id = lanes.new_error_id()
        trace = "".join(traceback.format_exception(error)).rstrip()
        self._sink(line(self.version.label, "err", trace, error_id))
        text = bounded(text_of(error).strip(), MOST_REASON) or "no text"
        self._move(State.FAILED, f"{type(error).__name__}: {text} [error id {error_id}]")

    def _move(self, state: State, reason: str, short: Shortage | None = None) -> None:
        # A reason may name a file, and the core refuses a table with text that is not Unicode.
        self.standing = self.standing.move(state, legible(reason), short)
        self.since = monotonic()
        if state is not State.FAILED:
            # The traceback of a failure was a line already.
            self._sink(line(self.version.label, "log", f"{state.value}: {reason}"))
        self._moved(self.standing)
