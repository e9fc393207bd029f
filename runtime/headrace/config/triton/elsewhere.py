"""Words of Triton's that Headrace has none for, and what to do instead."""

from collections.abc import Iterator
from typing import Any, Final

from headrace.config.triton.finding import Finding, Key, Verdict, refused, taken

LEFT_OUT, REFUSED = Verdict.LEFT_OUT, Verdict.REFUSED
BY_FILE: Final = "a version's file says what runs it: model.py or net.pt2"
#: Field of a configuration → what becomes of it.
ELSEWHERE: Final = {
    "platform": (LEFT_OUT, BY_FILE),
    "backend": (LEFT_OUT, BY_FILE),
    "runtime": (LEFT_OUT, BY_FILE),
    "default_model_filename": (LEFT_OUT, BY_FILE),
    "cc_model_filenames": (LEFT_OUT, BY_FILE),
    "optimization": (LEFT_OUT, "how Triton's backends run a model: load() of the class decides"),
    "model_warmup": (
        LEFT_OUT,
        "every version runs a batch of 1 and of max_rows rows before it is ready; example() of "
        "the class gives real inputs",
    ),
    "model_operations": (LEFT_OUT, "load() of the class loads libraries"),
    "metric_tags": (LEFT_OUT, "metrics are labelled with model and version"),
    "model_metrics": (LEFT_OUT, "histograms have buckets of their own"),
    "model_repository_agents": (REFUSED, "nothing looks at a folder before it is loaded"),
    "ensemble_scheduling": (
        REFUSED,
        "there are no pipelines of models: write the steps into one class",
    ),
}
#: Parameters that Triton's Python backend reads itself.
OWN_PARAMETERS: Final = {
    "EXECUTION_ENV_PATH": "every model runs in the environment that headrace is installed in"
}


def elsewhere(given: Any, name: str) -> Iterator[Finding]:
    """Yield what becomes of all that has to do with no tensor and no batch.

    Args:
        given: the configuration.
        name: of the model's folder.
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
    for key in sorted(given.parameters):
        yield _parameter(key, given.parameters[key].string_value)


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


def _parameter(key: str, value: str) -> Finding:
    field = f"parameters[{key!r}]"
    if key in OWN_PARAMETERS:
        return refused(field, OWN_PARAMETERS[key])
    settings: dict[Key, Any] = {("parameters", key): value}
    return Finding(field, Verdict.TAKEN, "", settings, ("string_value",))
