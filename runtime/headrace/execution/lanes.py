"""The threads of a version: pull a batch, run the model, answer."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headrace.errors import DeviceLost, HeadraceError
from headrace.execution import threads
from headrace.execution.core import CoreBatch, CoreIntake
from headrace.execution.device.seam import Device
from headrace.execution.first_batches import FirstBatches
from headrace.execution.passage import OPEN, Passage
from headrace.execution.voices import Sink, line, speaking, text_of
from headrace.models import Model
from headrace.models.behalf import working_for
from headrace.repository.instances import original

if TYPE_CHECKING:
    from headrace.execution.recording import Recorder

#: Of an exception's text; a caller needs no more, and the log has the rest.
MOST_CHARACTERS: Final = 1000


#: Functions of ours that call a model while callers wait.
ENTRANCES: Final = frozenset({"into_model", "advance"})


def new_error_id() -> str:
    """Return an id that no other error of this or another process has."""
    return f"e-{os.urandom(6).hex()}"


@dataclass(frozen=True)
class Work:
    """What the lanes of a version share."""

    #: Such as ``photos/1``.
    label: str
    model: Model
    device: Device
    intake: CoreIntake
    sink: Sink
    #: Lanes have their batches before the model is free, and ask for it.
    prepares: bool = False
    #: That each of them may work on a batch with, and PyTorch in it, where it was imported.
    threads: int = 1
    torch_threads: int | None = None
    error_id: Callable[[], str] = new_error_id
    #: Keeps some of what callers send.
    recorder: "Recorder | None" = None
    first: FirstBatches | None = None


def run_lane(work: Work, lane: int) -> None:
    """Answer batches until the version is closed and its last batch answered."""
    threads.use(work.threads, work.torch_threads)
    on_device = work.device.lane()
    passage = Passage(work.label, work.model, on_device)
    with speaking(work.label), inference_mode(), on_device.using():
        if work.first is not None:
            work.first.take_part(on_device)
        while (batch := work.intake.next_batch(lane)) is not None:
            working_for.set(batch)
            try:
                answer(work, passage, batch)
            except BaseException as error:
                # The callers of this batch may wait for their deadlines; those of the next do not.
                log(work, error)


def answer(work: Work, passage: Passage, batch: CoreBatch) -> None:
    """Run the model over one batch and settle it, whatever the model does.

    The core gives out no more batches at once than the model is safe for.
    """
    try:
        recorded = None if work.recorder is None else work.recorder.due(batch)
        outputs = passage.run(batch, batch if work.prepares else OPEN)
        # Else the model hangs in another one, and these callers were told.
        wrong = None if outputs is None else batch.complete(outputs)
    except BaseException as error:
        # All of them: sys.exit() in a model ends no server.
        error_id = work.error_id()
        try:
            # Before the log: whatever happens there, the callers have their answer.
            told = f"{describe(work.label, error)} [error id {error_id}]"
            if isinstance(error, DeviceLost):
                work.intake.lose(told, batch)
            elif isinstance(error, Exception) and work.model.is_out_of_memory(error):
                release_memory(error)
                work.sink(line(work.label, "err", batch.run_out(told)))
            else:
                batch.fail(told)
        except BaseException as second:
            # It was settled before the core raised.
            log(work, second)
        log(work, error, error_id)
        return
    if wrong is not None:
        work.sink(line(work.label, "err", wrong))
    elif work.recorder is not None and recorded is not None:
        work.recorder.keep(recorded)


def release_memory(error: BaseException) -> None:
    """Let go of what the model had when it ran out of memory, which its traceback keeps."""
    traceback.clear_frames(error.__traceback__)
    empty_cache()


def empty_cache() -> None:
    """Give back what PyTorch keeps of a GPU for later, where it has one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def log(work: Work, error: BaseException, error_id: str = "") -> None:
    """Give an error's traceback to the log, as far as that can be done."""
    with suppress(BaseException):
        trace = "".join(traceback.format_exception(error)).rstrip()
        work.sink(line(work.label, "err", trace, error_id))


def describe(label: str, error: BaseException) -> str:
    """Return what a caller is told of what a model raised."""
    text = text_of(error)
    if len(text) > MOST_CHARACTERS:
        text = text[:MOST_CHARACTERS] + "…"
    model, _, version = original(label).partition("/")
    who = f"model {model!r} version {version}"
    if isinstance(error, HeadraceError):
        # What the core found names the version itself.
        return text if text.startswith(who) else f"{who}: {text}"
    name = type(error).__name__
    return f"{who} raised {name}: {text}" if text else f"{who} raised {name}"


def inference_mode() -> AbstractContextManager[object]:
    """Return PyTorch's mode without gradients, where the model has imported PyTorch."""
    torch = sys.modules.get("torch")
    # A thread that only half imported it is not one of ours.
    return torch.inference_mode() if torch is not None else nullcontext()


def start(
    work: Work, lanes: int, run: Callable[[Work, int], None] = run_lane
) -> list[threading.Thread]:
    """Start a thread for each lane. They end when the version's intake is closed and empty."""

    def live(lane: int) -> None:
        try:
            run(work, lane)
        finally:
            if work.first is not None:
                work.first.leave()

    started = [
        threading.Thread(target=live, args=(lane,), name=f"{work.label} lane {lane}")
        for lane in range(lanes)
    ]
    for thread in started:
        # A model that hangs must not keep a server from ending: the drain has a bound.
        thread.daemon = True
        thread.start()
    return started


def whereabouts(started: Iterable[threading.Thread]) -> str:
    """Return the stacks of the threads that are inside a model now, as tracebacks show them."""
    frames = sys._current_frames()
    told = []
    for thread in started:
        stack = traceback.extract_stack(frames.get(thread.ident or 0))
        inside = [at for at, frame in enumerate(stack) if frame.name in ENTRANCES]
        if inside:
            model = traceback.format_list(stack[inside[0] + 1 :])
            told += [f"{thread.name}, most recent call last:\n", *model]
    return "".join(told).rstrip()
