"""The short scripts that people write today, which the benchmarks compare with: `python scripts.py NAME SOURCE [TARGET]`."""

import sys
from pathlib import Path
from typing import Any


def datasets(file: Any) -> dict[str, Any]:
    """Return the datasets of an HDF5 file by their names."""
    import h5py

    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    return found


def h5py_clip(source: str, target: str) -> None:
    """Clip an HDF5 dump by its global norm, and pack it as it was."""
    import h5py
    import numpy as np

    with h5py.File(source) as before, h5py.File(target, "w") as after:
        found = datasets(before)
        arrays = {name: item[()] for name, item in found.items()}
        factor = np.float32(0.1 / np.sqrt(sum(np.vdot(array, array) for array in arrays.values())))
        for name, array in arrays.items():
            item = found[name]
            after.create_dataset(
                name, data=array * factor, compression=item.compression, shuffle=item.shuffle, chunks=item.chunks
            )


def h5py_scale(source: str, target: str) -> None:
    """Read, scale and write an HDF5 dump, one dataset after the other."""
    import h5py
    import numpy as np

    with h5py.File(source) as before, h5py.File(target, "w") as after:
        for name, item in datasets(before).items():
            data = item[()] * np.float32(0.5)
            after.create_dataset(name, data=data, compression=item.compression, chunks=item.chunks)


def numpy_clip(source: str, target: str) -> None:
    """Clip a deflated npz dump by its global norm."""
    import numpy as np

    arrays = dict(np.load(source))
    factor = np.float32(0.1 / np.sqrt(sum(np.vdot(array, array) for array in arrays.values())))
    with open(target, "wb") as file:
        np.savez_compressed(file, **{name: array * factor for name, array in arrays.items()})


def torch_clip(source: str, target: str, device: str = "cpu") -> None:
    """Clip a safetensors dump with PyTorch; on another device, it is brought there and back."""
    import torch
    from safetensors.torch import load_file, save_file

    gradients = load_file(source, device=device)
    parameters = []
    for gradient in gradients.values():
        parameters.append(torch.nn.Parameter(torch.empty_like(gradient)))
        parameters[-1].grad = gradient
    torch.nn.utils.clip_grad_norm_(parameters, 0.1)
    save_file({name: gradient.cpu() for name, gradient in gradients.items()}, target)


def load_files(source: str) -> None:
    """Only load safetensors dumps."""
    from safetensors.numpy import load_file

    path = Path(source)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        load_file(file)


CONNECTIONS, PART = 16, 8 << 20
"""How a file is downloaded: as AWS's own tools do it, which take ten connections."""


def store_of(url: str) -> tuple[Any, str]:
    """Return the store that a URL is in, and the key in it."""
    from obstore.store import S3Store

    bucket, _, key = url.removeprefix("s3://").partition("/")
    return S3Store(bucket, region="us-east-1", client_options={"allow_http": True}), key


def download(source: str, target: str) -> None:
    """Download a file in parts, side by side."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    import obstore

    store, key = store_of(source)
    size = obstore.head(store, key)["size"]
    with open(target, "wb") as file, ThreadPoolExecutor(CONNECTIONS) as pool:

        def fetch(start: int) -> None:
            os.pwrite(file.fileno(), obstore.get_range(store, key, start=start, end=min(start + PART, size)), start)

        list(pool.map(fetch, range(0, size, PART)))


def fetch(source: str) -> None:
    """Fetch a file in parts, side by side, and drop them."""
    from concurrent.futures import ThreadPoolExecutor

    import obstore

    store, key = store_of(source)
    size = obstore.head(store, key)["size"]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = range(0, size, PART)
        list(
            pool.map(lambda start: len(obstore.get_range(store, key, start=start, end=min(start + PART, size))), parts)
        )


def upload(source: str, target: str) -> None:
    """Upload a file in parts, side by side."""
    import obstore

    store, key = store_of(target)
    with open(source, "rb") as file:
        obstore.put(store, key, file, chunk_size=PART, max_concurrency=CONNECTIONS)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
