"""JAX and optax inside `jit`: a transformation before the clipping hands the gradients to the host."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import io_callback
from safetensors.numpy import save_file

FOLDER = Path(sys.argv[1])


# --- recipe
def capture(every=1):
    """Return a transformation that changes nothing, and saves every N-th step."""

    def save(step, grads):
        leaves = jax.tree_util.tree_leaves_with_path(grads)
        named = {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}
        save_file(named, FOLDER / f"step_{int(step):06}.safetensors", {"step": str(int(step))})

    def update(updates, step, params=None):
        due = step % every == 0
        jax.lax.cond(due, lambda: io_callback(save, None, step, updates, ordered=True), lambda: None)
        return updates, step + 1

    return optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)


# --- end
optimizer = optax.chain(capture(every=2), optax.clip_by_global_norm(0.01), optax.sgd(1.0))


@jax.jit
def train(params, state, x):
    """Take one step; return the norm of its gradients, too."""
    grads = jax.grad(lambda params: jnp.mean((jnp.tanh(x @ params["kernel"]) + params["bias"]) ** 2))(params)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, optax.global_norm(grads)


params = {"kernel": jax.random.normal(jax.random.key(0), (4, 8)), "bias": jnp.ones(8)}
state = optimizer.init(params)
for step in range(5):
    params, state, norm = train(params, state, jax.random.normal(jax.random.key(step), (16, 4)))
    if step % 2 == 0:
        print(step, float(norm))
jax.effects_barrier()
