"""Which of ONNX Runtime's execution providers a version runs on. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from headrace.config.onnx import CPU, OnnxRuntime
from headrace.errors import ModelInvalid

CUDA: Final = "CUDAExecutionProvider"
#: Providers that need a GPU.
ON_GPUS: Final = frozenset({CUDA, "TensorrtExecutionProvider"})
INSTALL: Final = "pip install 'onnxruntime-gpu[cuda,cudnn]' in place of onnxruntime"


def choose(
    settings: OnnxRuntime, available: Sequence[str], *, gpu: bool
) -> list[tuple[str, Mapping[str, str | int | float | bool]]]:
    """Return providers with their options, the preferred one first.

    Args:
        settings: of model.yaml.
        available: what the installed ONNX Runtime was built with.
        gpu: the version has one.

    Raises:
        ModelInvalid: what was asked for is not installed, or does not fit together.
    """
    wanted = list(settings.providers or ([CUDA] if gpu else [CPU]))
    for one in wanted:
        if one in ON_GPUS and not gpu:
            raise ModelInvalid(f"onnx.providers names {one}: write placement.gpus, too")
        if one not in available:
            asks = "onnx.providers names" if settings.providers else "placement.gpus needs"
            what = f": {INSTALL}" if one in ON_GPUS else ""
            raise ModelInvalid(
                f"{asks} {one}, and the installed ONNX Runtime has "
                f"{', '.join(available) or 'none'}{what}"
            )
    if gpu and wanted == [CPU]:
        raise ModelInvalid(
            f"placement.gpus gives this version a GPU, and onnx.providers has only {CPU}: take one "
            "of them out"
        )
    # What the others have no kernel for runs on the CPU.
    whole = [*wanted, *([CPU] if CPU not in wanted else [])]
    for one in settings.provider_options:
        if one not in whole:
            raise ModelInvalid(
                f"onnx.provider_options has some of {one}, but this version runs on "
                f"{', '.join(whole)}: name it in onnx.providers"
            )
    return [(one, settings.provider_options.get(one, {})) for one in whole]


def check_started(wanted: Sequence[str], started: Sequence[str]) -> None:
    """Refuse a session that went on without a provider: ONNX Runtime only logs that.

    Raises:
        ModelInvalid: one that was wanted did not start.
    """
    if missing := [one for one in wanted if one not in started]:
        raise ModelInvalid(
            f"ONNX Runtime could not start {', '.join(missing)}, and would go on with "
            f"{', '.join(started)}: the lines above say why. Its libraries may be missing: "
            f"{INSTALL}"
        )
