"""Name the filters that pack chunks; only HDF5's own and h5py's are used.

For any other HDF5 would load a library from its plugin folders.
"""

SCALE_OFFSET = 6
_OWN = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", SCALE_OFFSET: "scale-offset", 32000: "lzf"}
_PLUGINS = {
    305: "lzo",
    307: "bzip2",
    32001: "blosc",
    32002: "mafisc",
    32003: "snappy",
    32004: "lz4",
    32008: "bitshuffle",
    32009: "spdp",
    32013: "zfp",
    32014: "fpzip",
    32015: "zstd",
    32017: "sz",
    32022: "bitgroom",
    32023: "granular bitround",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}
"""Those of the registry of the HDF Group that pack floats."""
_WAY_OUT = "unpack it where that filter is installed, by h5repack -f NONE IN OUT, or give --exclude, which leaves it packed in HDF5"


def is_own(number: int) -> bool:
    """Return whether HDF5 or h5py itself includes a filter."""
    return number in _OWN


def not_unpacked(number: int) -> str:
    """Say that a dataset is packed by a filter that is not there, and what to do.

    >>> not_unpacked(32015).partition(";")[0]
    'is packed by zstd (HDF5 filter 32015), which is not included'
    """
    name = f"{_PLUGINS[number]} (HDF5 filter {number})" if number in _PLUGINS else f"HDF5 filter {number}"
    return f"is packed by {name}, which is not included; {_WAY_OUT}"
