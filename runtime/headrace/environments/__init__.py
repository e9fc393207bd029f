"""Python environments that versions have to themselves, made once and kept."""
