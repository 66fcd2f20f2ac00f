"""Make the gradient dumps of ``sample_data/`` again.

Two small character LSTMs are trained on ``text.txt`` with plain SGD and no clipping. Their initial
LSTM weights are large and each step back-propagates through a hundred characters or more, so now
and then a gradient explodes by itself; nothing is added to or scaled in the dumped values.

    python sample_data/make_samples.py

Such training is chaotic: one rounding done differently soon gives other gradients. So it runs in
float64 and one thread, by code paths meant to round alike on every x86-64 processor with AVX2.
"""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"  # both are read when torch is imported
os.environ["MKL_CBWR"] = "COMPATIBLE"

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
FloatArray = npt.NDArray[np.float32]
Gradients = dict[str, FloatArray]
Weights = dict[str, npt.NDArray[np.float16]]


class Run(NamedTuple):
    """How one model is initialised and trained, and which of its steps (from 1) are dumped."""

    seed: int
    gain: float  # factor on PyTorch's default initial LSTM weights
    learning_rate: float
    length: int  # characters that a step back-propagates through
    batch: int
    steps: range


class Step(NamedTuple):
    """One training step: its number, its loss, the gradient of every trained parameter, and the weights before the step."""

    number: int
    loss: float
    gradients: Gradients
    weights: Weights


PYTORCH_RUN = Run(5165, gain=8.0, learning_rate=0.05, length=128, batch=4, steps=range(1, 15))
HDF5_STEPS = range(8, 12)  # of the same run
DL4J_RUN = Run(32, gain=9.0, learning_rate=0.01, length=100, batch=4, steps=range(4, 8))


class CharLstm(nn.Module):
    """The usual character model: embedding, two-layer LSTM, linear decoder."""

    def __init__(self, vocabulary: int, embedded: int = 16, hidden: int = 40) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedded)
        self.lstm = nn.LSTM(embedded, hidden, num_layers=2)
        self.decoder = nn.Linear(hidden, vocabulary)

    def forward(self, characters: Tensor) -> Tensor:
        """Return the logits of each next character; both tensors have time as first axis."""
        states, _ = self.lstm(self.embedding(characters))
        logits: Tensor = self.decoder(states)
        return logits


def dl4j_model(vocabulary: int) -> CharLstm:
    """Return a model as DL4J has it: one-hot input, and one bias per LSTM layer, not two."""
    model = CharLstm(vocabulary, embedded=vocabulary, hidden=32)
    model.embedding.weight = nn.Parameter(torch.eye(vocabulary), requires_grad=False)
    for name, bias in model.lstm.named_parameters():
        if name.startswith("bias_hh"):
            nn.init.zeros_(bias).requires_grad_(False)
    return model


def read_text() -> tuple[Tensor, int]:
    """Return the text as character numbers, and how many different characters it has."""
    text = (HERE / "text.txt").read_text(encoding="utf-8")
    vocabulary = sorted(set(text))
    return torch.tensor([vocabulary.index(character) for character in text]), len(vocabulary)


def batches(text: Tensor, run: Run) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pieces of the text from random places, and the same pieces one character later."""
    generator = torch.Generator().manual_seed(run.seed)
    offsets = torch.arange(run.length)[:, None]
    for _ in range(1, run.steps.stop):
        starts = torch.randint(len(text) - run.length - 1, (run.batch,), generator=generator)
        yield text[offsets + starts], text[offsets + starts + 1]


def train(make_model: Callable[[int], CharLstm], run: Run) -> Iterator[Step]:
    """Train a new model with plain SGD up to the last wanted step and yield the wanted ones."""
    torch.manual_seed(run.seed)
    text, vocabulary = read_text()
    model = make_model(vocabulary).double()
    for name, parameter in model.named_parameters():
        if name.startswith("lstm.weight"):
            parameter.data.mul_(run.gain)
    optimizer = torch.optim.SGD(model.parameters(), lr=run.learning_rate)
    for number, (inputs, targets) in enumerate(batches(text, run), start=1):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        torch.autograd.backward(loss)
        if number in run.steps:
            yield Step(number, loss.item(), gradients_of(model), weights_of(model))
        optimizer.step()


def gradients_of(model: nn.Module) -> Gradients:
    """Return the model's gradients as float32 under PyTorch's parameter names."""
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name: g.numpy().astype(np.float32) for name, g in gradients.items() if g is not None}


def weights_of(model: nn.Module) -> Weights:
    """Return the weights that have gradients as float16, half as large as these, under the same names."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {name: parameter.detach().numpy().astype(np.float16) for name, parameter in trained.items()}


def global_norm(gradients: Gradients) -> float:
    """Return the L2 norm of all gradients together, computed in float64."""
    return math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients.values()))


def write_safetensors(path: Path, step: Step) -> None:
    """Write one dump as safetensors, its header's keys sorted: their order is else arbitrary."""
    metadata = {"format": "pt", "step": str(step.number), "loss": f"{step.loss:.6f}"}
    file = save(step.gradients, metadata)
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + file[end:])


def write_hdf5(path: Path, step: Step) -> None:
    """Write one dump as HDF5 with a group per layer: lstm.bias_ih_l0 becomes lstm_0/bias_ih."""
    with h5py.File(path, "w") as file:
        file.attrs["step"] = step.number
        file.attrs["loss"] = step.loss
        for name, gradient in step.gradients.items():
            place = re.sub(r"lstm\.(\w+)_l(\d)", r"lstm_\2.\1", name).replace(".", "/")
            packed = {"chunks": (40, 40), "compression": "gzip", "shuffle": True}
            options = packed if name == "lstm.weight_hh_l0" else {}
            file.create_dataset(place, data=gradient, **options)


def write_weights(path: Path, step: Step) -> None:
    """Write the weights that the gradients of a step were computed at, as npz."""
    np.savez_compressed(path, allow_pickle=False, **step.weights)


def dl4j_gates(gradient: FloatArray) -> FloatArray:
    """Transpose a PyTorch LSTM gradient and put its gates (i, f, g, o) in DL4J's order."""
    i, f, g, o = np.split(np.atleast_2d(gradient.T), 4, axis=1)
    return np.concatenate([g, f, o, i], axis=1)


def dl4j_gradients(gradients: Gradients) -> Gradients:
    """Return a dl4j_model's gradients with DL4J's names and in DL4J's shapes."""
    renamed: Gradients = {}
    for layer in (0, 1):
        for ours, theirs in (("weight_ih", "W"), ("weight_hh", "RW"), ("bias_ih", "b")):
            renamed[f"{layer}_{theirs}"] = dl4j_gates(gradients[f"lstm.{ours}_l{layer}"])
    renamed["2_W"] = np.ascontiguousarray(gradients["decoder.weight"].T)
    renamed["2_b"] = gradients["decoder.bias"][None, :]
    return renamed


def write_npz(path: Path, step: Step) -> None:
    """Write one dump as npz with DL4J's names: even steps stored, odd steps compressed."""
    gradients = dl4j_gradients(step.gradients)
    save_npz = np.savez_compressed if step.number % 2 else np.savez
    save_npz(path, allow_pickle=False, **gradients)


def write_all(pattern: str, steps: Iterable[Step], write: Callable[[Path, Step], None]) -> None:
    """Write each step to the file that the pattern names, and print its norm and loss."""
    for step in steps:
        name = pattern.format(step.number)
        (HERE / name).parent.mkdir(exist_ok=True)
        write(HERE / name, step)
        print(f"{name}  norm {global_norm(step.gradients):.6g}  loss {step.loss:.4f}")


def main() -> None:
    """Train both models and write all dumps."""
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    steps = list(train(CharLstm, PYTORCH_RUN))
    hdf5_steps = [step for step in steps if step.number in HDF5_STEPS]
    write_all("char_lstm/step_{:05d}.safetensors", steps, write_safetensors)
    write_all("char_lstm_weights/step_{:05d}.npz", steps, write_weights)
    write_all("char_lstm_hdf5/step_{:05d}.h5", hdf5_steps, write_hdf5)
    write_all("dl4j_lstm/step_{:05d}.npz", train(dl4j_model, DL4J_RUN), write_npz)


if __name__ == "__main__":
    main()
