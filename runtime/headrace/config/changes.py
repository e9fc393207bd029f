"""What a changed model.yaml means for a version that serves. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace.config.batching import Batching
from headrace.config.schema import ModelConfig
from headrace.config.section import Section

#: The model sees other arrays with another one of these, so that it has to be loaded for them.
SHAPING: Final = frozenset({"join", "like", "unbatched"})
#: Sizes of batches that a program was compiled or captured for.
SIZING: Final = frozenset({"batching.max_rows", "batching.allowed_rows"})
#: What may change while a version serves.
LIVE: Final = frozenset(f"batching.{name}" for name in Batching.model_fields if name not in SHAPING)
#: What nothing that serves has: it is read when it is needed.
READ_ANEW: Final = "rollouts"


@dataclass(frozen=True)
class Change:
    """One value that differs."""

    #: As it is written: ``batching.max_rows``.
    key: str
    before: Any
    after: Any
    #: Whether a version that serves can take it.
    is_live: bool

    def __str__(self) -> str:
        return f"{self.key} {_shown(self.before)} -> {_shown(self.after)}"


def changes(before: ModelConfig, after: ModelConfig) -> list[Change]:
    """Return what differs, in the order in which it is documented."""
    live = LIVE - SIZING if before.torch.prepares else LIVE
    return [
        Change(key, one, other, key in live)
        for key, one, other in _differ(before, after, "")
        if key != READ_ANEW
    ]


def _differ(before: Section, after: Section, path: str) -> Iterator[tuple[str, Any, Any]]:
    for name in type(before).model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, Section) and type(one) is type(other):
            yield from _differ(one, other, f"{path}{name}.")
        elif one != other:
            yield f"{path}{name}", one, other


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case Section():
            return _shown(value.model_dump(exclude_unset=True))
        case dict():
            return f"{{{', '.join(f'{key}: {_shown(one)}' for key, one in value.items())}}}"
        case tuple() | list():
            return f"[{', '.join(map(_shown, value))}]"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case _:
            return str(value)
