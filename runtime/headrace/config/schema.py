"""What may be written in a model.yaml."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from headrace.config.batching import Batching
from headrace.config.drift import Drift
from headrace.config.feedback import Feedback
from headrace.config.onnx import OnnxRuntime
from headrace.config.placement import Placement
from headrace.config.processing import After, Before
from headrace.config.recording import Recording
from headrace.config.rollouts import RolloutPlan
from headrace.config.section import LONGEST_S, AtItem, Section
from headrace.config.sequences import Sequences, check
from headrace.config.source import Address, Registry, Source, written_short
from headrace.config.torch import PyTorch
from headrace.config.torch import check as check_torch
from headrace.config.versions import Versions
from headrace.config.warmup import Warmup
from headrace.vocabulary import DATATYPES

#: Of one axis: more than any body may have elements; products of larger ones leave 64 bits.
LARGEST_SIZE = 1 << 31


class Limits(Section):
    """What a version may cost before it is given up."""

    hang_timeout_s: Annotated[float, Field(gt=0, le=LONGEST_S)] = Field(
        300.0,
        description="How long predict may take. Then the callers of the batch are told so, and the "
        "version's process is replaced.",
    )


class TensorEntry(Section):
    """An input or output of a model that has no class to say so."""

    name: Annotated[str, Field(min_length=1)]
    datatype: str
    shape: tuple[int, ...] = Field(strict=False)

    @field_validator("datatype")
    @classmethod
    def _known(cls, given: str) -> str:
        if given not in DATATYPES:
            raise ValueError(f"{given!r} is not one of {', '.join(DATATYPES)}")
        return given

    @field_validator("shape")
    @classmethod
    def _sizes(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        for size in given:
            if size < 1 and size != -1:
                raise ValueError(
                    f"{size} is neither a positive size nor -1 (any size); "
                    "the batch axis is implied and not written"
                )
            if size > LARGEST_SIZE:
                raise ValueError(f"expected sizes of at most {LARGEST_SIZE}, not {size}")
        return given


class ModelConfig(Section):
    """A model.yaml: operations only. The tensors are those of the class, or of the ONNX file."""

    NOT_YET: ClassVar = {
        "traffic": "`headrace split` divides the requests that name no version",
    }

    versions: Versions = Field(Versions(), description="What becomes of a new version.")
    rollouts: dict[Annotated[str, Field(min_length=1, max_length=64)], RolloutPlan] = Field(
        {},
        max_length=32,
        description="Plans by name, for `headrace rollout start`; read when one begins.",
    )
    drift: Drift | None = Field(None, description="Tensors that are watched. Default: none.")
    warmup: Warmup = Field(Warmup(), description="Batches that are run before it is ready.")
    recording: Recording | None = Field(
        None, description="What is kept of requests, to warm up with. Default: nothing."
    )
    batching: Batching = Batching()
    placement: Placement = Placement()
    limits: Limits = Limits()
    repeatable: bool | None = Field(
        None,
        description="The same input may run twice, which allows a retry after a crash. "
        "Default: true for files without a class (net.pt2, model.onnx), false for Python classes "
        "and for what MLflow runs.",
    )
    streams: bool = Field(
        False,
        description="A request is answered with any number of parts: the class has stream() or "
        "step() instead of predict().",
    )
    sequences: Sequences | None = Field(
        None,
        description="The model is stateful: requests of one sequence are answered in order, by one "
        "host. Default: there are no sequences.",
    )
    feedback: Feedback | None = Field(
        None, description="Answers have ids, by which labels are joined with them later."
    )
    preprocess: tuple[Before, ...] = Field(
        (), strict=False, description="Steps from what callers send to what the model takes."
    )
    postprocess: tuple[After, ...] = Field(
        (), strict=False, description="Steps from what the model returns to what callers get."
    )
    onnx: OnnxRuntime = Field(OnnxRuntime(), description="How ONNX Runtime runs a model.onnx.")
    torch: PyTorch = Field(PyTorch(), description="How PyTorch runs a net.pt2.")
    parameters: dict[str, Any] = Field({}, description="What load() finds in context.parameters.")
    inputs: tuple[TensorEntry, ...] | None = Field(
        None, strict=False, description="For an exported program, in the order of its arguments."
    )
    outputs: tuple[TensorEntry, ...] | None = Field(
        None, strict=False, description="For an exported program, in the order of its results."
    )
    source: Source | None = Field(
        None,
        description="What is served instead of the numbered folders beside model.yaml: an address, "
        "or one with what it pins.",
    )
    mlflow: Registry = Field(Registry(), description="Where source is looked up.")
    environment: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None,
        description="A requirements file, in the version's folder or beside model.yaml: the "
        "version's processes have what it asks for over the packages that Headrace runs with. "
        "Default: those alone.",
    )

    @property
    def lanes(self) -> int:
        """How many lanes each host of the version has."""
        default = 2 if self.placement.gpus and not self.streams else 1
        return self.placement.lanes or default

    @field_validator("source", mode="before")
    @classmethod
    def _an_address_stands_for_all(cls, given: object) -> object:
        return None if given is None else written_short(given)

    @field_validator("environment")
    @classmethod
    def _below(cls, given: str | None) -> str | None:
        outside = given is not None and (given.startswith("/") or ".." in given.split("/"))
        if given is not None and (outside or "\0" in given):
            raise ValueError(f"expected a file below the model's folder, not {given!r}")
        return given

    @model_validator(mode="after")
    def _a_registry_is_a_sources(self) -> Self:
        of_registry = self.source is not None and isinstance(self.source.parsed, Address)
        if not of_registry and self.mlflow != Registry():
            raise AtItem(
                ("mlflow",),
                "mlflow says where source is looked up, and there is no source of a registry: "
                "write one, such as source: models:/photos@champion, or take mlflow out",
            )
        return self

    @model_validator(mode="after")
    def _steps_are_no_batches(self) -> Self:
        if not self.streams:
            return self
        for key, where, given, why in (
            ("batching", "max_delay_ms", self.batching.max_delay_ms, "requests join between steps"),
            (
                "batching",
                "allowed_rows",
                self.batching.allowed_rows,
                "a step has no size to pad to",
            ),
            ("batching", "join", self.batching.join, "requests have arrays of their own"),
            (
                "batching",
                "split_oversize",
                self.batching.split_oversize,
                "a part is answered by many, whose order nobody could tell",
            ),
            ("placement", "lanes", self.lanes > 1, "one lane steps all; use replicas"),
        ):
            if given:
                raise AtItem((key, where), f"{where} is not for streams: {why}; take it out")
        for key in ("preprocess", "postprocess"):
            if getattr(self, key):
                why = "their steps are for whole batches; do it in the class, and take it out"
                raise AtItem((key,), f"{key} is not for streams: {why}")
        return self

    @model_validator(mode="after")
    def _whole_rows_are_recorded(self) -> Self:
        joins = any(not join.stack for join in self.batching.join.values())
        for given, word in ((self.streams, "streams"), (joins, "batching.join")):
            if given and self.recording is not None:
                raise AtItem(
                    ("recording",),
                    f"recording keeps rows that share a batch as they are, and with {word} there "
                    "are none: take one of them out",
                )
        return self

    @model_validator(mode="after")
    def _without_rows_there_is_one(self) -> Self:
        batching = self.batching
        if batching.unbatched and batching.max_rows != 1 and not self.streams:
            raise AtItem(
                ("batching", "unbatched"),
                f"max_rows is {batching.max_rows}, and unbatched says that tensors have no axis of "
                "rows: write max_rows: 1, or take unbatched out",
            )
        if batching.unbatched and batching.split_oversize:
            why = "a request of one row cannot be cut: take it out"
            raise AtItem(("batching", "split_oversize"), f"split_oversize is with unbatched: {why}")
        return self

    @model_validator(mode="after")
    def _state_is_changed_once(self) -> Self:
        check(
            self.sequences,
            self.batching,
            streams=self.streams,
            repeatable=self.repeatable,
        )
        return self

    @model_validator(mode="after")
    def _every_batch_can_be_prepared(self) -> Self:
        check_torch(
            self.torch,
            self.batching,
            gpus=self.placement.gpus,
            shapes=[one.shape for one in self.inputs or ()],
        )
        return self

    @field_validator("inputs", "outputs")
    @classmethod
    def _requests_can_fit(cls, given: tuple[TensorEntry, ...] | None) -> Any:
        if given is not None and not given:
            raise ValueError(
                "expected at least one {name: x, datatype: FP32, shape: [3, 224, 224]}, not []"
            )
        names: set[str] = set()
        for at, one in enumerate(given or ()):
            if one.name in names:
                raise AtItem(
                    (at, "name"),
                    f"name: {one.name!r} is the name of another one here: use one name each",
                )
            names.add(one.name)
        return given
