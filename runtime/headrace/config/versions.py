"""What becomes of a version that comes while others serve."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from headrace.config.section import Section


class Versions(Section):
    """Of all versions of a model; that of the new one's model.yaml counts."""

    NOT_YET: ClassVar = {
        "keep_previous_hours": "what a rollout or a swap has ended `headrace undo` brings back",
    }

    on_new: Literal["hold", "swap", "rollout"] = Field(
        "hold",
        description="hold: it is loaded and gets no traffic by itself; swap: all traffic goes to "
        "it once it is ready, and who had it is unloaded; rollout: once it is ready it gets more "
        "and more of it, by a plan.",
    )
    replace: Literal["new_first", "old_first"] = Field(
        "new_first",
        description="How it takes the place of who had the traffic where it swaps. new_first: both "
        "are in memory until it is ready; old_first: it is loaded once that has ended, for there "
        "is no room for both, and requests that name no version wait meanwhile.",
    )
    plan: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Of rollout: one of `rollouts`; `headrace rollout start` says which else."
    )

    @model_validator(mode="after")
    def _plans_a_rollout(self) -> Self:
        if self.plan is not None and self.on_new != "rollout":
            raise ValueError("plan is of on_new: rollout; `headrace rollout start --plan` takes it")
        return self
