"""The short scripts that people write today, which the benchmarks compare with: `python scripts.py NAME PATH`."""

import sys
from pathlib import Path


def h5py_clip(path: Path) -> None:
    """Clip an HDF5 dump by its global norm, and pack it as it was."""
    import h5py
    import numpy as np

    with h5py.File(path) as source, h5py.File(path.with_name("copy"), "w") as target:
        found: dict[str, h5py.Dataset] = {}
        source.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        arrays = {name: item[()] for name, item in found.items()}
        factor = np.float32(0.1 / np.sqrt(sum(np.vdot(array, array) for array in arrays.values())))
        for name, array in arrays.items():
            item = found[name]
            target.create_dataset(
                name, data=array * factor, compression=item.compression, shuffle=item.shuffle, chunks=item.chunks
            )


def numpy_clip(path: Path) -> None:
    """Clip a deflated npz dump by its global norm."""
    import numpy as np

    arrays = dict(np.load(path))
    factor = np.float32(0.1 / np.sqrt(sum(np.vdot(array, array) for array in arrays.values())))
    with open(path.with_name("copy"), "wb") as target:
        np.savez_compressed(target, **{name: array * factor for name, array in arrays.items()})


def torch_clip(path: Path) -> None:
    """Clip a safetensors dump with PyTorch."""
    import torch
    from safetensors.torch import load_file, save_file

    gradients = load_file(path)
    parameters = []
    for gradient in gradients.values():
        parameters.append(torch.nn.Parameter(torch.empty_like(gradient)))
        parameters[-1].grad = gradient
    torch.nn.utils.clip_grad_norm_(parameters, 0.1)
    save_file(gradients, path.with_name("copy"))


def load_files(path: Path) -> None:
    """Only load safetensors dumps."""
    from safetensors.numpy import load_file

    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        load_file(file)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
