"""Imports every module with attacks, which enters them into the table."""

from importlib import import_module

#: In the order in which they run.
MODULES = (
    "bodies",
    "lengths",
    "packed",
    "heads",
    "slowness",
    "pipelining",
    "calls",
    "frames",
    "readers",
    "doors",
    "exhaustion",
)


def load() -> None:
    """Fill the table."""
    for name in MODULES:
        import_module(f"tests.attacks.{name}")
