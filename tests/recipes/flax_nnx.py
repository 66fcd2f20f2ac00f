"""Flax NNX: the gradients of a model are a state, whose paths name its layers."""

import sys
from pathlib import Path

import jax
import optax
from flax import nnx
from safetensors.flax import save_file

FOLDER = Path(sys.argv[1])


# --- recipe
def dump(grads, step):
    """Save the gradients that `nnx.grad` or `nnx.value_and_grad` returns."""
    flat = nnx.to_flat_state(grads)
    named = {"/".join(map(str, path)): leaf[...] for path, leaf in flat}
    save_file(named, FOLDER / f"step_{step:06}.safetensors", {"step": str(step)})


# --- end
class Model(nnx.Module):
    """Two layers."""

    def __init__(self, rngs):
        self.dense = nnx.Linear(4, 8, rngs=rngs)
        self.head = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        """Return the output."""
        return self.head(nnx.tanh(self.dense(x)))


model = Model(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(1.0)), wrt=nnx.Param)
for step in range(4):
    x = jax.random.normal(jax.random.key(step), (16, 4))
    grads = nnx.grad(lambda model, x=x: (model(x) ** 2).mean())(model)
    dump(grads, step)
    print(step, float(optax.global_norm(grads)))
    optimizer.update(model, grads)
