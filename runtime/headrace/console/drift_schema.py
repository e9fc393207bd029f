"""What the console answers about drift."""

from headrace.console.schema import Answer


class Feature(Answer):
    """One number about a tensor's rows: the middle one of the reference, and of the last window.

    `parts` are what is compared: of each part of all numbers, from the smallest on, the share of
    the reference that is in it, and of the last window.
    """

    tensor: str
    feature: str
    reference: float | None
    now: float | None
    score: float
    chance: float
    alarm: bool
    since_unix_s: float | None
    parts: list[tuple[float, float]]


class Version(Answer):
    """A version that is watched; no features before a window was compared."""

    model: str
    version: int
    reference_rows: int
    window_rows: int
    drifted: bool
    features: list[Feature]


class Drift(Answer):
    """Versions that are watched."""

    versions: list[Version]
