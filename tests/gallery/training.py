"""Train a small transformer on characters with PyTorch, and dump the gradients of each step."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"  # both are read when torch is imported
os.environ["MKL_CBWR"] = "COMPATIBLE"

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

TEXT = Path(__file__).parents[2] / "sample_data" / "text.txt"
BLOCKS, WIDTH, HEADS, LENGTH, BATCH, STEPS = 4, 32, 2, 32, 16, 60
WARM_UP, RATE = 10, 3e-3


class Block(nn.Module):
    """A block of a transformer, normalised before attention and before its feed-forward layer."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, states: Tensor) -> Tensor:
        """Return the states after the block; both are of shape (batch, length, width)."""
        batch, length, _ = states.shape
        normal = self.before_attention(states)
        query, key, value = (
            one(normal).view(batch, length, HEADS, -1).transpose(1, 2) for one in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / math.sqrt(WIDTH / HEADS)
        future = torch.triu(torch.ones(length, length, dtype=torch.bool), 1)
        weights = scores.masked_fill(future, -1e4).softmax(3)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, WIDTH)
        states = states + self.out(mixed)
        hidden: Tensor = self.down(nn.functional.gelu(self.up(self.before_mlp(states))))
        return states + hidden


class Model(nn.Module):
    """A language model of characters."""

    def __init__(self, vocabulary: int, *, tied: bool = False) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary, bias=False)
        if tied:
            nn.init.normal_(self.embedding.weight, std=WIDTH**-0.5)
            self.head.weight = self.embedding.weight

    def forward(self, characters: Tensor) -> Tensor:
        """Return the logits of each next character."""
        states = self.embedding(characters) + self.positions(torch.arange(characters.shape[1]))
        for block in self.blocks:
            states = block(states)
        logits: Tensor = self.head(self.norm(states))
        return logits


class Batch(NamedTuple):
    """Characters, of shape (batch, length), and the next one of each."""

    characters: Tensor
    targets: Tensor


class Fault(NamedTuple):
    """What goes wrong in a training: `expected` names the rules that should find it, `where` the block that they should name.

    `build` changes the model once, `before` the model before each step, `labels` each batch, `after` the gradients after each
    backward pass. `rate` multiplies the learning rate; `plain` is SGD in place of AdamW.
    """

    name: str
    expected: tuple[str, ...]
    where: str | None = None
    build: Callable[[Model], None] = lambda model: None
    before: Callable[[Model, int], None] = lambda model, step: None
    labels: Callable[[Batch, int, torch.Generator], Batch] = lambda batch, step, generator: batch
    rate: float = 1.0
    warm_up: int = WARM_UP
    zero_grad: bool = True
    half: bool = False
    plain: bool = False
    tied: bool = False
    steps: int = STEPS


def train(fault: Fault, seed: int, folder: Path, weights: Path | None = None) -> list[float]:
    """Train with a fault, write one dump a step, and the weights before it where `weights` is given, and return the losses."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    text = TEXT.read_text(encoding="utf-8")
    generator = torch.Generator().manual_seed(seed)
    model = Model(len(set(text)), tied=fault.tied)
    fault.build(model)
    model = model.half() if fault.half else model
    optimizer_of = torch.optim.SGD if fault.half or fault.plain else torch.optim.AdamW
    optimizer = optimizer_of(model.parameters(), lr=RATE)
    losses = []
    for one in (folder, weights):
        if one is not None:
            one.mkdir(parents=True)
    for step, batch in enumerate(_batches(text, generator, fault.steps)):
        fault.before(model, step)
        for group in optimizer.param_groups:
            group["lr"] = RATE * fault.rate * min(1.0, (step + 1) / max(1, fault.warm_up))
        if fault.zero_grad:
            optimizer.zero_grad()
        losses.append(_backward(model, fault.labels(batch, step, generator)))
        _dump(model, folder / f"step_{step:06d}.safetensors", tied=fault.tied)
        if weights is not None:
            save_file(dict(model.named_parameters()), weights / f"step_{step:06d}.safetensors")
        optimizer.step()
    return losses


def _batches(text: str, generator: torch.Generator, steps: int) -> Iterator[Batch]:
    place = {character: k for k, character in enumerate(sorted(set(text)))}
    codes = torch.tensor([place[character] for character in text])
    for _ in range(steps):
        starts = torch.randint(len(codes) - LENGTH - 1, (BATCH,), generator=generator).tolist()
        yield Batch(*(torch.stack([codes[k + shift : k + shift + LENGTH] for k in starts]) for shift in (0, 1)))


def _backward(model: Model, batch: Batch) -> float:
    logits = model(batch.characters)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    loss.backward()
    return float(loss.detach())


def _dump(model: Model, path: Path, *, tied: bool) -> None:
    """Write the gradients, zeros where a parameter has none; a tied head is written under both names, as many tools do."""
    found = {
        name: (torch.zeros_like(one) if one.grad is None else one.grad).contiguous()
        for name, one in model.named_parameters()
    }
    if tied:
        found["head.weight"] = found["embedding.weight"].clone()
    save_file(found, path)
