"""A server of the Open Inference Protocol: where it is, and what a model of it takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

#: What fills inputs of which nobody says more.
LONGEST_AXIS = 1 << 20


@dataclass(frozen=True)
class Target:
    """``http://HOST:PORT`` or ``grpc://HOST:PORT``."""

    protocol: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Target":
        """Return the target at a URL.

        Raises:
            ValueError: it is none of the two kinds.
        """
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "grpc") or not parts.hostname or not parts.port:
            raise ValueError(f"expected http://HOST:PORT or grpc://HOST:PORT, not {url!r}")
        return cls(parts.scheme, parts.hostname, parts.port)

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Spec:
    """An input as the model's metadata names it, with its batch axis; -1 stands for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def specs(metadata: Mapping[str, Any]) -> list[Spec]:
    """Return a model's inputs from its metadata, in JSON's form."""
    return [
        Spec(one["name"], one["datatype"], tuple(int(size) for size in one["shape"]))
        for one in metadata["inputs"]
    ]


def sizes(text: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes that ``x:1,3,224,224;y:1,8`` names, one for each input.

    Raises:
        ValueError: a part is not NAME:SIZE,SIZE….
    """
    shapes = {}
    for part in filter(None, text.split(";")):
        name, _, rest = part.rpartition(":")
        try:
            shape = tuple(int(size) for size in rest.split(","))
        except ValueError:
            shape = ()
        if not name or not shape or any(not 0 < size <= LONGEST_AXIS for size in shape):
            raise ValueError(f"expected NAME:SIZE,SIZE… with sizes above 0, not {part!r}")
        shapes[name] = shape
    return shapes


def tensors(
    inputs: Sequence[Spec], shapes: Mapping[str, tuple[int, ...]], seed: int
) -> dict[str, tuple[str, np.ndarray]]:
    """Return random data for each input: its datatype and an array, sizes of any kind being 1.

    Raises:
        ValueError: a shape is named for an input that there is not, or of another rank.
    """
    known = {spec.name for spec in inputs}
    for name in shapes:
        if name not in known:
            raise ValueError(f"the model has no input {name!r}; it has {', '.join(sorted(known))}")
    dice = np.random.default_rng(seed)
    made = {}
    for spec in inputs:
        shape = shapes.get(spec.name, tuple(max(size, 1) for size in spec.shape))
        if len(shape) != len(spec.shape):
            raise ValueError(
                f"input {spec.name!r} is of shape {list(spec.shape)}, which has "
                f"{len(spec.shape)} axes; {list(shape)} has {len(shape)}"
            )
        made[spec.name] = (spec.datatype, _random(dice, spec.datatype, shape))
    return made


def _random(dice: np.random.Generator, datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    from tritonclient.utils import triton_to_np_dtype

    if datatype == "BYTES":
        words = [b"%d" % n for n in dice.integers(0, 1000, shape).flat]
        return np.array(words, np.object_).reshape(shape)
    dtype = triton_to_np_dtype(datatype)
    if dtype is None:
        raise ValueError(f"datatype {datatype!r} is none of the protocol's")
    if np.issubdtype(dtype, np.floating):
        return dice.random(shape).astype(dtype)
    return dice.integers(0, 2 if datatype == "BOOL" else 100, shape).astype(dtype)


def metadata_of(target: Target, model: str) -> list[Spec]:
    """Ask a server what a model takes.

    Raises:
        OSError: the server cannot be reached.
        ValueError: it does not know the model.
    """
    if target.protocol == "grpc":
        import tritonclient.grpc as client
    else:
        import tritonclient.http as client
    from tritonclient.utils import InferenceServerException

    with client.InferenceServerClient(target.address) as asked:
        try:
            if target.protocol == "grpc":
                return specs(asked.get_model_metadata(model, as_json=True))
            return specs(json.loads(json.dumps(asked.get_model_metadata(model))))
        except InferenceServerException as error:
            raise ValueError(f"{target.address} says of model {model!r}: {error}") from error
