"""What becomes of a version that comes while others serve."""

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from headrace.config.section import Section


class Versions(Section):
    """Of all versions of a model; that of the new one's model.yaml counts."""

    NOT_YET: ClassVar = {
        "plan": "`headrace rollout start` takes one of `rollouts`",
        "keep_previous_hours": "`headrace undo` loads what a swap has unloaded",
    }

    on_new: Literal["hold", "swap"] = Field(
        "hold",
        description="hold: it is loaded and gets no traffic by itself; swap: all traffic goes to "
        "it once it is ready, and who had it is unloaded.",
    )

    @field_validator("on_new", mode="before")
    @classmethod
    def _no_rollout(cls, given: Any) -> Any:
        if given == "rollout":
            raise ValueError(
                "on_new: rollout is not built yet: write hold, and begin one with `headrace "
                "rollout start`"
            )
        return given
