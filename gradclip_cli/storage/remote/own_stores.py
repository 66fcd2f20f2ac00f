"""Take a store of obstore that a program has made itself, with credentials of its own."""

from collections.abc import Sequence

from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.remote.settings import OwnStore
from gradclip_cli.storage.remote.urls import parsed


def own_store(store: object, locations: Sequence[str]) -> OwnStore:
    """Return a store for the files that it holds; raise UsageError if it holds none of these, or none that a URL can name."""
    root = _root(store)
    if getattr(store, "prefix", None):
        raise UsageError("store has a prefix; give one without, since the URL names the whole key")
    if not any(one.lower().startswith(f"{root.lower()}/") for one in locations):
        raise UsageError(f"store is that of {root}, and no URL is on it; give one that begins with {root}/")
    return OwnStore(root, store)


def _root(store: object) -> str:
    if isinstance(store, S3Store):
        return f"s3://{store.config['bucket']}"
    if isinstance(store, GCSStore):
        return f"gs://{store.config['bucket']}"
    if isinstance(store, AzureStore):
        return f"az://{store.config['container_name']}"
    if isinstance(store, HTTPStore):
        url = parsed(store.url)
        if url.key:
            raise UsageError("store has a path; give that of the server alone, since the URL names the path")
        return url.root
    raise UsageError("store must be an S3Store, GCSStore, AzureStore or HTTPStore of obstore")
