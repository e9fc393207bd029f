"""Which file of a version's folder says what runs it."""

from pathlib import Path
from typing import Final

from headrace.config.triton.serving import BACKENDS as TRITONS_BACKENDS
from headrace.config.triton.serving import ENSEMBLE

#: File of a version's folder → the backend that runs it; the first one found counts.
BACKENDS: Final[dict[str, str]] = {
    "model.py": "python",
    "model.onnx": "onnx",
    "net.pt2": "torch",
    "upstream.yaml": "upstream",
    "ensemble.yaml": "ensemble",
}
#: And back, those of Triton's folders among them.
FILES: Final = {
    "mlflow": "MLmodel",
    **{backend: file for file, backend in (*TRITONS_BACKENDS.items(), *BACKENDS.items())},
}
#: Backends of versions that gateways carry themselves: no host loads them.
UNHOSTED: Final = frozenset({"upstream", "ensemble", ENSEMBLE})


def file_of(place: Path) -> str | None:
    """Return the name of the file in a version's folder by which it is run, if it has one."""
    return next((one for one in BACKENDS if (place / one).is_file()), None)
