"""Words of Triton's that Headrace has none for, and what to do instead."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.config.triton.finding import Finding, Key, Verdict, differs, left_out, refused, taken

TENSORRT: Final = ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
LEFT_OUT, REFUSED = Verdict.LEFT_OUT, Verdict.REFUSED
BY_FILE: Final = "a version's file says what runs it: model.py, model.onnx or net.pt2"
#: Field of a configuration → what becomes of it.
ELSEWHERE: Final = {
    "platform": (LEFT_OUT, BY_FILE),
    "backend": (LEFT_OUT, BY_FILE),
    "runtime": (LEFT_OUT, BY_FILE),
    "default_model_filename": (LEFT_OUT, BY_FILE),
    "cc_model_filenames": (LEFT_OUT, BY_FILE),
    "model_warmup": (
        LEFT_OUT,
        "every version runs a batch of 1 and of max_rows rows before it is ready; files in "
        "samples/ beside it, or example() of the class, give real inputs",
    ),
    "model_operations": (LEFT_OUT, "load() of the class loads libraries"),
    "metric_tags": (LEFT_OUT, "metrics are labelled with model and version"),
    "model_metrics": (LEFT_OUT, "histograms have buckets of their own"),
    "model_repository_agents": (REFUSED, "nothing looks at a folder before it is loaded"),
    "ensemble_scheduling": (
        REFUSED,
        "no class takes its place: the folder is served as it is, or write an ensemble.yaml",
    ),
}
#: Parameters that Triton's Python backend reads itself.
OWN_PARAMETERS: Final = {
    "EXECUTION_ENV_PATH": "every model runs in the environment that headrace is installed in"
}
#: Of Triton's ONNX backend; 0 is what it is without.
INTRA_OP: Final = "intra_op_thread_count"
#: What runs the model → what becomes of how Triton's backend is told to run it.
OPTIMIZATION: Final = {
    "python": "load() of the class decides",
    "onnx": "onnx.providers and onnx.provider_options say what ONNX Runtime is to use",
    "torch": "an exported program runs as it is",
    "triton_python": "the class decides",
    "torchscript": "the program runs as it is",
}


def elsewhere(given: Any, name: str, backend: str) -> Iterator[Finding]:
    """Yield what becomes of all that has to do with no tensor and no batch.

    Args:
        given: the configuration.
        name: of the model's folder.
        backend: what runs the model.
    """
    if given.name == name:
        yield taken("name", text="the folder's")
    elif given.name:
        yield refused("name", f"a model's name is its folder's, {name!r}: rename the one or other")
    for field, _ in given.ListFields():
        if field.name in ELSEWHERE:
            yield Finding(field.name, *ELSEWHERE[field.name])
    if given.HasField("model_transaction_policy"):
        yield from _parts(given.model_transaction_policy.decoupled)
    if given.HasField("response_cache"):
        yield _cache(given.response_cache.enable)
    if given.HasField("version_policy"):
        yield _versions(given.version_policy)
    if given.HasField("optimization"):
        yield from _optimization(given.optimization, backend)
    for key in sorted(given.parameters):
        yield _parameter(key, given.parameters[key].string_value, backend)


def _parts(decoupled: bool) -> Iterator[Finding]:
    field = "model_transaction_policy"
    yield taken(field)
    if decoupled:
        why = "the class has stream() or step() instead of predict()"
        yield taken(f"{field}.decoupled", {("streams",): True}, why)


def _cache(enable: bool) -> Finding:
    if enable:
        return refused("response_cache", "every request is computed")
    return taken("response_cache", text="there is none")


def _versions(given: Any) -> Finding:
    choice = given.WhichOneof("policy_choice")
    field = f"version_policy.{choice}" if choice else "version_policy"
    if choice == "specific":
        return refused(
            field,
            "every version of the folder is loaded, and the highest takes the requests that name "
            "none: keep those that shall serve, and no others",
        )
    if choice == "latest":
        text = (
            "every version of the folder is loaded, and the highest takes the requests that name "
            f"none: keep the newest {given.latest.num_versions or 1} in it"
        )
        return Finding(field, Verdict.DIFFERS, text, parts=("num_versions",))
    return taken(field, text="every version of the folder is loaded")


def _optimization(given: Any, backend: str) -> Iterator[Finding]:
    yield left_out("optimization", f"how Triton's backend runs a model: {OPTIMIZATION[backend]}")
    accelerators = [one.name for one in given.execution_accelerators.gpu_execution_accelerator]
    if backend == "onnx" and "tensorrt" in accelerators:
        text = "its parameters have other names in onnx.provider_options"
        settings: dict[Key, Any] = {("onnx", "providers"): TENSORRT}
        yield differs("optimization.execution_accelerators", text, settings)


def _parameter(key: str, value: str, backend: str) -> Finding:
    field = f"parameters[{key!r}]"
    if backend == "onnx" and key == INTRA_OP and value.isdecimal() and int(value):
        threads: dict[Key, Any] = {("placement", "threads"): int(value)}
        return Finding(field, Verdict.TAKEN, "", threads, ("string_value",))
    if backend == "onnx":
        return left_out(field, "there is no class that would read it")
    if backend == "torchscript":
        return refused(field, "of Triton's PyTorch backend: the program runs in inference mode")
    if key in OWN_PARAMETERS:
        return refused(field, OWN_PARAMETERS[key])
    settings: dict[Key, Any] = {("parameters", key): value}
    return Finding(field, Verdict.TAKEN, "", settings, ("string_value",))
