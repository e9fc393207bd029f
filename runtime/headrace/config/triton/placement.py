"""What Triton runs a model on: `instance_group`.

An instance is a copy of the model that runs one batch at once, as a host here is: replicas are
what there are several of. (Lanes share one copy, and make batches ready for it.)
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from headrace.config.triton.finding import Finding, Key, Verdict, differs, refused

#: Fields of a group that are spoken of together.
COUNTED: Final = ("count", "kind", "gpus")
ON_THE_CPU: Final = (
    "Triton puts an instance on each GPU that it finds; here it is on the CPU: write "
    "placement.gpus: 1 if it needs a GPU"
)
RESERVED: Final = (
    "every copy has its share of a GPU to itself, and Ray says which; models that are to share one "
    "need smaller shares"
)
BELOW: Final = {
    "name": (Verdict.LEFT_OUT, "hosts are named by their version"),
    "rate_limiter": (Verdict.REFUSED, "models do not wait for each other's resources here"),
    "secondary_devices": (Verdict.REFUSED, "a host has GPUs and nothing else"),
    "profile": (Verdict.LEFT_OUT, "of TensorRT: load() of the class chooses its profile"),
    "passive": (Verdict.REFUSED, "every host of a version serves"),
    "host_policy": (Verdict.LEFT_OUT, "Ray says where a host runs"),
}


def placement(given: Any) -> Iterator[Finding]:
    """Yield what becomes of the instance groups."""
    groups = given.instance_group
    if not groups:
        if given.WhichOneof("scheduling_choice") != "ensemble_scheduling":
            yield differs("instance_group (absent)", ON_THE_CPU)
        return
    for at, group in enumerate(groups):
        for field, _ in group.ListFields():
            if field.name in BELOW:
                verdict, why = BELOW[field.name]
                yield Finding(f"instance_group[{at}].{field.name}", verdict, why)
    yield from _groups(groups)


def _groups(groups: Any) -> Iterator[Finding]:
    where = {(_device(one), _count(one) if _device(one) == "GPU" else 0) for one in groups}
    if why := _unfit(groups, where):
        yield refused("instance_group", why)
        return
    ((device, sharing),) = where
    copies = sum(_count(one) * max(1, len(one.gpus)) for one in groups)
    settings: dict[Key, Any] = {}
    if copies > 1:
        settings["placement", "replicas", "min"] = copies
        settings["placement", "replicas", "max"] = copies
    if device == "GPU":
        # Rounded down, for all of them have to fit; Ray counts in ten-thousandths.
        settings["placement", "gpus"] = 10_000 // sharing / 10_000
    first, *others = [f"instance_group[{at}]" for at in range(len(groups))]
    told = []
    if device == "AUTO":
        told.append(ON_THE_CPU)
    if device == "GPU":
        told.append(RESERVED)
        if not any(one.gpus for one in groups):
            told.append("Triton has as many on each GPU: for others raise replicas")
    if copies > 1:
        told.append("each replica is a process with a copy of its own (engine ray)")
    verdict = Verdict.DIFFERS if told else Verdict.TAKEN
    yield Finding(first, verdict, "; ".join(told), settings, COUNTED)
    for field in others:
        yield Finding(field, Verdict.TAKEN, f"counted with {first}", parts=COUNTED)


def _unfit(groups: Any, where: Collection[tuple[str, int]]) -> str:
    if wrong := [one.count for one in groups if one.count < 0]:
        return f"count: expected at least 1, not {wrong[0]}"
    if len(where) > 1:
        return (
            "all hosts of a version are on the same kind of device here, and as many share each "
            "GPU: make one group of them"
        )
    if ("MODEL", 0) in where:
        return (
            "KIND_MODEL leaves the devices to the model, but a host sees only what placement.gpus "
            "asks for: write KIND_GPU or KIND_CPU"
        )
    return ""


def _count(group: Any) -> int:
    return max(1, int(group.count))


def _device(group: Any) -> str:
    """Return AUTO, GPU, CPU or MODEL; what names GPUs wants them."""
    kind = str(type(group).Kind.Name(group.kind)).removeprefix("KIND_")
    return "GPU" if kind == "AUTO" and group.gpus else kind
