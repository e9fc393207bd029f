"""A small transformer that generates tokens, with a cache of keys and values for each request."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

import headrace
from headrace import Context, Model, Tensor

WORDS = 97
WIDTH = 32
HEADS = 2
LAYERS = 2


@dataclass
class Generated:
    """What is kept of a request: its cache is all that it costs."""

    #: ``[LAYERS, keys and values, HEADS, tokens, WIDTH / HEADS]``.
    cache: torch.Tensor
    #: Tokens that are in the cache.
    length: int
    #: Tokens that are not yet in it: the prompt, later the last that was said.
    heard: torch.Tensor
    #: How many are still to be said.
    left: int
    #: None says the likeliest.
    dice: torch.Generator | None


class Generator(Model):
    """INT64[any] in, and one part for each token that comes after; rows of a step share matmuls."""

    inputs = [Tensor("prompt", "INT64", [-1]), Tensor("max_tokens", "INT64", [1])]
    outputs = [Tensor("token", "INT64", [1])]

    def load(self, context: Context) -> None:
        """Make weights up, the same each time.

        In double precision: with whom a request shares a step changes the last bits of a sum, and
        never the order of two words.
        """
        self.device = context.device
        made = torch.Generator().manual_seed(int(context.parameters.get("seed", 1)))

        def weights(*shape: int) -> torch.Tensor:
            plain = torch.randn(*shape, generator=made, dtype=torch.float64)
            return (plain / shape[0] ** 0.5).to(self.device)

        self.words = weights(WORDS, WIDTH) * WORDS**0.5
        self.head = weights(WIDTH, WORDS)
        self.layers = [
            (weights(WIDTH, 3 * WIDTH), weights(WIDTH, WIDTH), weights(WIDTH, 4 * WIDTH),
             weights(4 * WIDTH, WIDTH))
            for _ in range(LAYERS)
        ]  # fmt: skip

    def step(self, sequences: Sequence[headrace.Sequence]) -> None:
        """Say one token of each: of those that joined after reading their prompts, one by one."""
        for one in sequences:
            if one.state is None and (wrong := self._join(one)):
                one.reject(wrong)
        at_work = [one for one in sequences if one.state is not None and not one.is_paused]
        reading = [one for one in at_work if one.state.length == 0]
        saying = [one for one in at_work if one.state.length > 0]
        for group in [*([one] for one in reading), saying]:
            if group:
                self._say(group)

    def _join(self, one: headrace.Sequence) -> str:
        """Make room for all of its tokens; what is wrong with it, if anything is."""
        prompt, left = one.tensor("prompt"), int(one.inputs["max_tokens"].reshape(-1)[0])
        if one.rows != 1 or prompt.numel() == 0:
            return "expected one prompt of one token or more"
        if prompt.min() < 0 or prompt.max() >= WORDS:
            return f"expected tokens from 0 to {WORDS - 1}"
        if left == 0:
            one.end()
            return ""
        shape = (LAYERS, 2, HEADS, prompt.numel() + left, WIDTH // HEADS)
        cache = torch.zeros(shape, dtype=torch.float64, device=self.device)
        seed = one.parameters.get("seed")
        dice = None if seed is None else torch.Generator().manual_seed(int(seed))
        one.state = Generated(cache, 0, prompt.reshape(-1), left, dice)
        return ""

    def _say(self, group: Sequence[headrace.Sequence]) -> None:
        states: list[Generated] = [one.state for one in group]
        logits = self._forward(states)
        for one, state, scores in zip(group, states, logits.cpu(), strict=True):
            if state.dice is not None:
                chances = torch.rand(WORDS, generator=state.dice, dtype=torch.float64)
                scores = scores - (-chances.log()).log()
            token = scores.argmax().reshape(1, 1)
            state.heard = token.reshape(1).to(self.device)
            state.left -= 1
            one.emit(token=token)
            if state.left == 0:
                one.end()

    def _forward(self, states: Sequence[Generated]) -> torch.Tensor:
        """Return ``[states, WORDS]`` scores of what comes next; all have heard equally many."""
        heard = torch.stack([state.heard for state in states])
        count = heard.shape[1]
        starts = torch.tensor([state.length for state in states], device=self.device)
        places = starts[:, None] + torch.arange(count, device=self.device)
        x = self.words[heard] + _waves(places)
        longest = int(starts.max()) + count
        # Shorter ones are padded, and nobody looks at padding or at what comes after.
        seen = torch.arange(longest, device=self.device) <= places[:, None, :, None]
        for layer, weights in enumerate(self.layers):
            x = self._layer(x, weights, states, layer, seen)
        for state in states:
            state.length += count
        return _norm(x[:, -1]) @ self.head

    def _layer(
        self,
        x: torch.Tensor,
        weights: Sequence[torch.Tensor],
        states: Sequence[Generated],
        layer: int,
        seen: torch.Tensor,
    ) -> torch.Tensor:
        ask, mix, widen, narrow = weights
        many, count, _ = x.shape
        asked = (_norm(x) @ ask).reshape(many, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        kept = torch.zeros(
            (2, many, HEADS, seen.shape[-1], WIDTH // HEADS), dtype=x.dtype, device=x.device
        )
        for at, state in enumerate(states):
            end = state.length + count
            state.cache[layer, :, :, state.length : end] = asked[1:, at]
            kept[:, at, :, :end] = state.cache[layer, :, :, :end]
        told: Any = functional.scaled_dot_product_attention(
            asked[0], kept[0], kept[1], attn_mask=seen
        )
        # What was heard before weighs more than the word itself, or it would say one word for ever.
        x = x + 3 * told.transpose(1, 2).reshape(many, count, WIDTH) @ mix
        return x + 3 * functional.gelu(_norm(x) @ widen) @ narrow


def _norm(x: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, (WIDTH,))


def _waves(places: torch.Tensor) -> torch.Tensor:
    """Return where a token stands, as sines and cosines of falling frequencies."""
    steps = torch.arange(WIDTH // 2, dtype=torch.float64, device=places.device)
    angles = places[..., None] / 1000.0 ** (steps / (WIDTH // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
