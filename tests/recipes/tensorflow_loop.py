"""TensorFlow: save what the tape returns, before `tf.clip_by_global_norm`."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import save_file

FOLDER = Path(sys.argv[1])


# --- recipe
def dump(variables, grads, step):
    """Save the gradients of variables; of sparse ones (IndexedSlices) the dense gradient."""
    pairs = [(variable, grad) for variable, grad in zip(variables, grads, strict=True) if grad is not None]
    named = {variable.name.split(":")[0]: np.asarray(tf.convert_to_tensor(grad), order="C") for variable, grad in pairs}
    save_file(named, FOLDER / f"step_{step:06}.safetensors", {"step": str(step)})


# --- end
tf.random.set_seed(0)
table = tf.Variable(tf.random.normal((10, 4)), name="embedding/table")
kernel = tf.Variable(tf.random.normal((4, 1)), name="head/kernel")
for step in range(4):
    with tf.GradientTape() as tape:
        rows = tf.gather(table, tf.constant([1, 3, 1, 7]))
        loss = tf.reduce_mean((tf.tanh(rows) @ kernel) ** 2)
    grads = tape.gradient(loss, [table, kernel])
    dump([table, kernel], grads, step)
    dense = [tf.convert_to_tensor(grad) for grad in grads]
    clipped, norm = tf.clip_by_global_norm(dense, 0.01)
    print(step, float(norm))
    for variable, grad in zip([table, kernel], clipped, strict=True):
        variable.assign_sub(grad)
