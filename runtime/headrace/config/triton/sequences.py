"""Requests that belong together, by Triton: `sequence_batching`."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from headrace.config.triton.finding import (
    Finding,
    Key,
    Verdict,
    differs,
    left_out,
    refused,
    taken,
)
from headrace.config.triton.tensors import Declared, datatype

BATCHER: Final = "sequence_batching"
#: Kind of a control → who has it here.
CONTROLS: Final = {
    "CONTROL_SEQUENCE_START": "start",
    "CONTROL_SEQUENCE_END": "end",
    "CONTROL_SEQUENCE_READY": "ready",
    "CONTROL_SEQUENCE_CORRID": "id",
}
#: What controls that are true or false are given as → the datatype of their tensor.
FALSE_TRUE: Final = {
    "int32_false_true": "INT32",
    "fp32_false_true": "FP32",
    "bool_false_true": "BOOL",
}
#: Datatypes of an id.
IDS: Final = ("UINT64", "INT64", "BYTES")


def sequences(given: Any) -> Iterator[Finding]:
    """Yield what becomes of a `sequence_batching`, of a class that keeps state."""
    batcher = given.sequence_batching
    strategy = batcher.WhichOneof("strategy_choice") or "direct"
    settings: dict[Key, Any] = {("sequences", "strategy"): strategy}
    if strategy == "direct":
        # Each has a row of every batch.
        settings["sequences", "max_sequences"] = given.max_batch_size or 1
    yield taken(BATCHER, settings)
    if idle := batcher.max_sequence_idle_microseconds:
        forgotten: dict[Key, Any] = {("sequences", "idle_ms"): idle / 1000}
        yield taken(f"{BATCHER}.max_sequence_idle_microseconds", forgotten)
    chosen, path = getattr(batcher, strategy), f"{BATCHER}.{strategy}"
    if batcher.HasField(strategy):
        yield taken(path)
    if delay := chosen.max_queue_delay_microseconds:
        held: dict[Key, Any] = {("batching", "max_delay_ms"): delay / 1000}
        yield taken(f"{path}.max_queue_delay_microseconds", held)
    if strategy == "oldest":
        yield from _oldest(chosen, path)
    elif chosen.minimum_slot_utilization:
        why = "a batch goes when a lane is free, or when its delay is over, however few rows it has"
        yield left_out(f"{path}.minimum_slot_utilization", why)
    names, kinds = {one.name for one in given.input}, set[str]()
    for at, control in enumerate(batcher.control_input):
        finding = _control(control, f"{BATCHER}.control_input[{at}]", names, kinds)
        names.add(control.name)
        kinds.update(kind for (*_, kind) in finding.settings)
        yield finding
    for at, _ in enumerate(batcher.state):
        why = "the class keeps what it wants of a sequence, and no tensors go round for it"
        yield left_out(f"{BATCHER}.state[{at}]", why)
    if batcher.iterative_sequence:
        why = "a request that comes back to be gone on with is one with streams: true and step()"
        yield refused(f"{BATCHER}.iterative_sequence", why)


def control_inputs(given: Any) -> list[Declared]:
    """Return the inputs that no caller sends, as a class declares them."""
    return [
        Declared(one.name, _control_type(one.control[0]), (1,))
        for one in given.sequence_batching.control_input
        if _control(one, "", (), ()).verdict is Verdict.TAKEN
    ]


def _control_type(control: Any) -> str:
    flags = (name for field, name in FALSE_TRUE.items() if getattr(control, field))
    return datatype(control) if control.data_type else next(flags, "INT32")


def _oldest(chosen: Any, path: str) -> Iterator[Finding]:
    if most := chosen.max_candidate_sequences:
        settings: dict[Key, Any] = {("sequences", "max_sequences"): most}
        yield taken(f"{path}.max_candidate_sequences", settings)
    if chosen.preferred_batch_size:
        why = "sizes that Triton aims at; here a batch is what waits when a lane is free"
        yield left_out(f"{path}.preferred_batch_size", why)
    if chosen.preserve_ordering:
        why = "within a sequence answers are in order, and sequences have none among each other"
        yield differs(f"{path}.preserve_ordering", why)


def _control(given: Any, path: str, names: Collection[str], kinds: Collection[str]) -> Finding:
    """``names`` of other inputs, and ``kinds`` of controls, that come before it."""
    if len(given.control) != 1:
        return refused(path, "expected one control in a tensor")
    (control,) = given.control
    kind = type(control).Kind.Name(control.kind)
    for field in FALSE_TRUE:
        values = [float(one) for one in getattr(control, field)]
        if values and values != [0.0, 1.0]:
            return refused(path, f"{field} is 0 and 1 here")
    if not given.name:
        return refused(path, "it has no name")
    if given.name in names:
        return refused(path, f"another input is named {given.name!r}")
    if CONTROLS[kind] in kinds:
        return refused(path, f"there is another {kind}, and a model has one of each here")
    fields = [field for field in FALSE_TRUE if getattr(control, field)]
    if CONTROLS[kind] != "id" and len(fields) != 1:
        return refused(path, f"expected one of {', '.join(FALSE_TRUE)}, got {len(fields)}")
    if CONTROLS[kind] == "id" and datatype(control) not in IDS:
        return refused(path, f"an id is one of {', '.join(IDS)} here, not {datatype(control)}")
    settings: dict[Key, Any] = {("sequences", "controls", CONTROLS[kind]): given.name}
    parts = ("kind", "data_type", *FALSE_TRUE)
    below = tuple(f"control[0].{part}" for part in parts)
    return Finding(path, Verdict.TAKEN, "", settings, ("name", "control[0]", *below))
