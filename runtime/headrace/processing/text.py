"""`tokenize`: texts become a model's input."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Final

import numpy as np

from headrace.config.processing import Tokenize
from headrace.errors import ModelInvalid
from headrace.models import Batch, Context, Tensor
from headrace.processing.implementation import Implementation
from headrace.processing.step import Step
from headrace.vocabulary import NUMPY_NAMES
from headrace_kernels.padding import Padding

EXAMPLE: Final = b"A headrace leads water to a turbine."
#: With a hieroglyph, which hardly a vocabulary knows.
UNKNOWN: Final = f"{EXAMPLE.decode()} \U00013000"


class TokenizeStep(Step):
    """Tokens of texts, filled up to one length, by the library `tokenizers`."""

    name = "tokenize"
    uses_kernels = True

    def __init__(self, said: Tokenize) -> None:
        self._said = said
        self.takes = (said.input,)

    def asks(self) -> Sequence[Tensor]:
        """Return the text."""
        return [Tensor(self._said.input, "BYTES", [1])]

    def makes(self, taken: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the tokens, and what there is beside them."""
        said = self._said
        length = said.sizes[0] if len(said.sizes) == 1 else -1
        names = [one for one in (said.ids, said.mask, said.types) if one is not None]
        return [Tensor(one, said.datatype, [length]) for one in names]

    def load(self, context: Context, kernels: Implementation) -> None:
        """Read the file.

        Raises:
            ModelInvalid: it is no tokenizer, does not say what rows are filled up with, or cannot
                cut any text.
        """
        said, file = self._said, context.folder / self._said.file
        self._kernels = kernels
        self._tokenizer = _read(file)
        padding = self._tokenizer.padding or {}
        self._pad_id = _pad_id(self._tokenizer, said.pad_token, file)
        self._pad_type = padding.get("pad_type_id", 0)
        self._side = said.pad_side or padding.get("direction", "right")
        most = np.iinfo(NUMPY_NAMES[said.datatype]).max
        if max(self._pad_id, self._pad_type) > most:
            raise ModelInvalid(
                f"tokenize: {file} fills rows up with token {self._pad_id} of type "
                f"{self._pad_type}, and {said.datatype} ends at {most}: write a pad_token, "
                "or correct the file"
            )
        self._tokenizer.no_padding()
        added = self._tokenizer.num_special_tokens_to_add(False)
        if said.max_length <= added:
            raise ModelInvalid(
                f"tokenize: max_length is {said.max_length}, but {file} adds {added} tokens to "
                "each text: make it more"
            )
        direction = (self._tokenizer.truncation or {}).get("direction", "right")
        if said.truncate:
            self._tokenizer.enable_truncation(said.max_length, direction=direction)
        else:
            self._tokenizer.no_truncation()
        _prove(self._tokenizer, file)

    def run(self, taken: Sequence[Any], batch: Batch) -> Mapping[str, Any]:
        """Return tokens; whose text is none, or too long, is told so."""
        said = self._said
        texts = [self._text(row, text, batch) for row, text in enumerate(taken[0])]
        # Python's lock is free meanwhile.
        encoded = self._tokenizer.encode_batch_fast(texts)
        for row, one in enumerate(encoded):
            if len(one.ids) > said.max_length:
                batch.reject(row, _too_long(said.input, len(one.ids), "tokens", said.max_length))
        ids = [one.ids[: said.max_length] for one in encoded]
        ends = [0, *accumulate(map(len, ids))]
        offsets = self._kernels.place(np.array(ends, np.int64))
        length = fitting(max(map(len, ids)), said.sizes)
        padded, mask = self._padded(ids, offsets, length, self._pad_id)
        made = {said.ids: padded}
        if said.mask is not None:
            made[said.mask] = mask
        if said.types is not None:
            types = [one.type_ids[: said.max_length] for one in encoded]
            made[said.types], _ = self._padded(types, offsets, length, self._pad_type)
        return made

    def _text(self, row: int, element: memoryview, batch: Batch) -> str:
        """Return a row's text, or the empty one if the row is rejected."""
        said = self._said
        if len(element) > said.max_bytes:
            batch.reject(row, _too_long(said.input, len(element), "bytes", said.max_bytes))
            return ""
        try:
            return str(element, "utf-8")
        except UnicodeDecodeError as error:
            batch.reject(row, f"input {said.input!r} is not UTF-8: {error}")
            return ""

    def _padded(self, rows: Sequence[Sequence[int]], offsets: Any, length: int, value: int) -> Any:
        dtype = NUMPY_NAMES[self._said.datatype]
        flat = np.fromiter(chain.from_iterable(rows), dtype, sum(map(len, rows)))
        padding = Padding(length=length, value=value, side=self._side, mask=dtype)  # type: ignore[arg-type]
        return self._kernels.run("pad_ragged", self._kernels.place(flat), offsets, padding)

    def example(self, rows: int) -> Mapping[str, Any]:
        """Return sentences."""
        return {self._said.input: [EXAMPLE] * rows}


def fitting(longest: int, sizes: Sequence[int]) -> int:
    """Return the length of a batch whose longest row is so long: the least of ``sizes`` that fits.

    Without sizes it is the row's own; a tensor has one place at least.
    """
    return next((size for size in sizes if size >= longest), max(1, longest))


def _read(file: Path) -> Any:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as error:
        if error.name != "tokenizers":
            raise
        raise ModelInvalid(
            "tokenize needs tokenizers, which is not installed: pip install 'headrace[tokenizers]'"
        ) from error
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library's own are of no class
        raise ModelInvalid(
            f"tokenize: {file} cannot be read as a tokenizer.json: {error}"
        ) from error


def _prove(tokenizer: Any, file: Path) -> None:
    """Cut a text of which not all is known: a caller's would fail all those of its batch."""
    try:
        tokenizer.encode_batch_fast([UNKNOWN])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library's is no Exception
        raise ModelInvalid(f"tokenize: {file} cuts no text of unknown words: {error}") from error


def _pad_id(tokenizer: Any, token: str | None, file: Path) -> int:
    if token is None:
        if tokenizer.padding is None:
            raise ModelInvalid(
                f"tokenize: {file} does not say what rows are filled up with: write a pad_token, "
                "such as '[PAD]' or '<pad>'"
            )
        return int(tokenizer.padding["pad_id"])
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelInvalid(f"tokenize: pad_token is {token!r}, which {file} does not have")
    return int(found)


def _too_long(name: str, found: int, what: str, most: int) -> str:
    return f"input {name!r} has {found} {what}: {most} at most"
