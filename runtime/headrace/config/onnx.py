"""What may be written under ``onnx`` in a model.yaml."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from headrace.config.section import AtItem, Section

#: How ONNX Runtime's names of them end.
PROVIDER = "ExecutionProvider"
CPU = f"CPU{PROVIDER}"


def _option(given: Any) -> Any:
    if not isinstance(given, str | int | float):
        raise ValueError(f"expected a text, a number, or true or false, not {given!r:.80}")
    return given


Option = Annotated[str | int | float | bool, BeforeValidator(_option)]


class OnnxRuntime(Section):
    """How ONNX Runtime runs a model.onnx."""

    providers: tuple[str, ...] | None = Field(
        None,
        strict=False,
        description="Execution providers, the preferred one first. Default: "
        "CUDAExecutionProvider where placement.gpus gives a GPU, else CPUExecutionProvider.",
    )
    provider_options: dict[str, dict[str, Option]] = Field(
        {}, description="For providers by name, their options, such as trt_fp16_enable."
    )

    @field_validator("providers")
    @classmethod
    def _names_of_providers(cls, given: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if given == ():
            raise ValueError(f"providers: expected at least one, such as CPU{PROVIDER}, not []")
        for at, one in enumerate(given or ()):
            if not one.endswith(PROVIDER):
                raise AtItem(
                    (at,), f"expected a provider, such as CUDA{PROVIDER}, not {one[:80]!r}"
                )
            if given and one in given[:at]:
                raise AtItem((at,), f"{one} is named twice")
        return given

    @field_validator("provider_options")
    @classmethod
    def _the_cpu_has_none(cls, given: dict[str, dict[str, Option]]) -> dict[str, dict[str, Option]]:
        if given.get(CPU):  # ONNX Runtime would say nothing, and do nothing with them
            raise AtItem((CPU,), f"{CPU} has no options")
        return given
