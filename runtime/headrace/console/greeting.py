"""What `headrace serve` prints when it is ready."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from headrace.config.schema import ModelConfig
from headrace.console.board import Status, VersionStatus
from headrace.console.request import curl, curl_for_parts, curl_for_sequence, image_in, pixel_in
from headrace.models import Tensor
from headrace.models.lifecycle import ON_THE_WAY, State
from headrace.repository.instances import spoken


def greeting(
    status: Status,
    inputs: Mapping[str, Sequence[Tensor]],
    folders: Mapping[str, Path],
    scratch: Path,
    configs: Mapping[str, ModelConfig] = MappingProxyType({}),
) -> str:
    """Return where the server listens, what it serves, and a request for its first model.

    Args:
        status: of a server that serves something.
        inputs: model → what it takes, as far as known.
        folders: model → its folder, where a picture to send may lie.
        scratch: folder for request bodies too long for a line.
        configs: model → its model.yaml, as far as known.
    """
    lines = []
    for model in status.models:
        for one in model.versions:
            standing = one.standing
            work = f"; {_work(one)}" if standing.state is State.READY and one.lanes else ""
            if one.process not in ("", f"{model.name}/{one.version}"):
                work += f"; in {one.process}"
            told = f"{standing.state.value}, {standing.reason}{work}"
            lines.append(f"  {model.name}/{spoken(one.version)}: {told}")
    where = status.addresses
    places = ", ".join(
        f"{name} {where[key]}"
        for key, name in (
            ("http", "HTTP"),
            ("grpc", "gRPC"),
            ("metrics", "metrics"),
            ("console", "console"),
        )
        if key in where
    )
    lines.append(f"listening: {places}")
    io = _many(status.io_threads, "thread")
    lines.append(f"threads: {io} for connections, of {_many(status.cpus, 'CPU')}")
    serving = [
        model.name
        for model in status.models
        if model.name in inputs and any(one.standing.state is State.READY for one in model.versions)
    ]
    if serving and "http" in where:
        name = serving[0]
        http, image = _to_call(where["http"]), image_in(folders[name])
        config = configs.get(name, ModelConfig())
        if image is None and config.preprocess:
            image = pixel_in(scratch)
        if config.streams:
            line = curl_for_parts(http, name, inputs[name])
        elif config.sequences is not None:
            line = curl_for_sequence(http, name, inputs[name], scratch)
        else:
            line = curl(http, name, inputs[name], image=image, scratch=scratch)
        lines += ["try:", f"  {line}"]
    return "\n".join([_headline(status), *lines, ""])


def _work(one: VersionStatus) -> str:
    """Return what a version's batches run on."""
    return f"{_many(one.lanes, 'lane')} of {_many(one.threads, 'thread')}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _headline(status: Status) -> str:
    if status.ready:
        return "headrace is ready"
    waits = [
        model.name
        for model in status.models
        if all(one.standing.state is not State.READY for one in model.versions)
    ]
    serves = len(status.models) - len(waits)
    standings = {
        one.standing.state
        for model in status.models
        if model.name in waits
        for one in model.versions
    }
    became = "cannot serve yet" if standings & ON_THE_WAY else "failed"
    return (
        f"headrace serves {serves} of {len(status.models)} models and is not ready: "
        f"{', '.join(waits)} {became}, and /v2/health/ready answers 503"
    )


def _to_call(address: str) -> str:
    """Return where a client on this machine finds a server that listens on ``address``."""
    for everywhere in ("0.0.0.0:", "[::]:"):
        if address.startswith(everywhere):
            return f"127.0.0.1:{address.removeprefix(everywhere)}"
    return address
