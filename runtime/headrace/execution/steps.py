"""The thread of a version that answers in parts: step, while requests are at work."""

from headrace.errors import DeviceLost
from headrace.execution import forking, threads
from headrace.execution.core import CoreSequence, CoreStep
from headrace.execution.device.seam import Lane
from headrace.execution.lanes import Work, describe, inference_mode, log
from headrace.execution.stepping import Stepping, stepping
from headrace.execution.voices import speaking


def run_steps(work: Work, lane: int) -> None:
    """Step until the version is closed and its last request answered; there is one such lane."""

    on_device = work.device.lane()

    def fail(core: CoreSequence, error: BaseException) -> None:
        error_id = work.error_id()
        # What a generator raises as it is closed concerns no caller.
        if core.is_live:
            core.fail(f"{describe(work.label, error)} [error id {error_id}]")
        log(work, error, error_id)
        check_device(work, on_device)

    threads.use(work.threads, work.torch_threads)
    with speaking(work.label), inference_mode(), on_device.using():
        at_work = stepping(work.model, work.device.name, fail)
        if work.first is not None:
            work.first.take_part(on_device)
        while (step := work.intake.next_step()) is not None:
            try:
                if not take(work, step, at_work):
                    check_device(work, on_device)
            except BaseException as error:
                # Whatever is left of this step the core ends when it is asked for the next one.
                log(work, error)


def check_device(work: Work, on_device: Lane) -> None:
    """Give the version up if the model's error was its device's."""
    try:
        on_device.wait()
    except DeviceLost as lost:
        work.intake.lose(describe(work.label, lost))


def take(work: Work, step: CoreStep, at_work: Stepping) -> bool:
    """Run the model once over those at work and end the step, whatever the model does.

    False: it raised.
    """
    for number in step.left:
        at_work.forget(number)
    for core in step.joined():
        at_work.join(core)
    try:
        try:
            if step.rows:
                at_work.advance()
        finally:
            if forking.child:
                forking.end_child(work.label)
        ended, well = step.finish(), True
    except BaseException as error:
        error_id = work.error_id()
        # Before the log: whatever happens there, the callers have their answer.
        ended = step.fail(f"{describe(work.label, error)} [error id {error_id}]")
        well = False
        log(work, error, error_id)
    for number in ended:
        at_work.forget(number)
    return well
