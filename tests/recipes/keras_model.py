"""Keras 3 on any backend: the optimizer's `apply` gets the gradients before it clips them."""

import sys
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import save_file

FOLDER = Path(sys.argv[1])


# --- recipe
class DumpingAdam(keras.optimizers.Adam):
    """Saves the gradients of each step; compile the model with run_eagerly=True."""

    def apply(self, grads, trainable_variables=None):
        """Save, and go on."""
        variables, step = trainable_variables or self._trainable_variables, int(self.iterations)
        arrays = map(keras.ops.convert_to_numpy, grads)
        named = {one.path: np.asarray(array, order="C") for one, array in zip(variables, arrays, strict=True)}
        save_file(named, FOLDER / f"step_{step:06}.safetensors", {"step": str(step)})
        super().apply(grads, trainable_variables)


# --- end
class Seen(DumpingAdam):
    """Prints the norm that Keras would clip by."""

    def apply(self, grads, trainable_variables=None):
        """Print, and go on."""
        squares = [float(np.square(keras.ops.convert_to_numpy(grad).astype(np.float64)).sum()) for grad in grads]
        print(int(self.iterations), sum(squares) ** 0.5)
        super().apply(grads, trainable_variables)


keras.utils.set_random_seed(0)
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1)])
model.compile(Seen(1e-2, global_clipnorm=0.01), "mse", run_eagerly=True)
data = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
model.fit(data, data.sum(axis=1) * 10, batch_size=16, epochs=1, verbose=0)
