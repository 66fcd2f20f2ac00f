"""JAX and optax: return the gradients from the step, and save them before `optax` clips."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from safetensors.flax import save_file

FOLDER = Path(sys.argv[1])


# --- recipe
def dump(grads, step):
    """Save the gradients of any pytree, so of Flax, too."""
    leaves = jax.tree_util.tree_leaves_with_path(grads)
    named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
    save_file(named, FOLDER / f"step_{step:06}.safetensors", {"step": str(step)})


# --- end
def loss_of(params, x):
    """Return the loss of a small network."""
    hidden = jnp.tanh(x @ params["dense"]["kernel"] + params["dense"]["bias"])
    return jnp.mean((hidden @ params["head"]) ** 2)


key = jax.random.key(0)
params = {
    "dense": {"kernel": jax.random.normal(key, (4, 8)), "bias": jnp.zeros(8)},
    "head": jax.random.normal(key, (8, 1)),
}
optimizer = optax.chain(optax.clip_by_global_norm(0.01), optax.sgd(1.0))
state = optimizer.init(params)
for step in range(4):
    grads = jax.grad(loss_of)(params, jax.random.normal(jax.random.key(step), (16, 4)))
    dump(grads, step)
    print(step, float(optax.global_norm(grads)))
    updates, state = optimizer.update(grads, state)
    params = optax.apply_updates(params, updates)
