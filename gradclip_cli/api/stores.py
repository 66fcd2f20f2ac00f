"""Let public functions take how remote files are asked for, in the same keywords."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, Protocol, TypedDict, TypeVar, runtime_checkable

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.remote.settings import CONNECTIONS, TIMEOUT, current, using

P = ParamSpec("P")
T = TypeVar("T")


@runtime_checkable
class ObjectStore(Protocol):
    """A store of obstore, such as `S3Store`: it brings the credentials for its bucket, container or server."""

    @property
    def client_options(self) -> Any:
        """How it connects."""

    @property
    def retry_config(self) -> Any:
        """How often it tries again."""


class StoreKeywords(TypedDict, total=False):
    """The keywords of all functions that read files: how those of URLs are asked for."""

    connections: int
    anonymous: bool
    timeout: float
    store: ObjectStore | None


_DEFAULTS: Mapping[str, Any] = {"connections": CONNECTIONS, "anonymous": False, "timeout": TIMEOUT, "store": None}


def asks_stores(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function under what is said of remote files; what is left out is as for the call around it, if there is one."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        given: dict[str, Any] = {name: kwargs.pop(name) for name in _DEFAULTS if name in kwargs}
        if not given:
            return function(*args, **kwargs)
        if given.get("store") is not None:
            from gradclip_cli.storage.remote.own_stores import own_store

            if kwargs.get("scheduler") is not None:
                what = "workers of a cluster take their credentials from their own environment"
                raise UsageError(f"store and scheduler exclude each other: {what}")
            given["store"] = own_store(given["store"], tuple(_texts((*args, *kwargs.values()))))
        with using(current()._replace(**given)):
            return function(*args, **kwargs)

    call.__annotations__ = function.__annotations__ | StoreKeywords.__annotations__
    call.__signature__ = _with_keywords(function)  # type: ignore[attr-defined]
    return call


def _texts(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _texts(value)
        elif isinstance(value, str):
            yield value


def _with_keywords(function: Callable[..., Any]) -> Any:
    """Return the signature of a function with the keywords, so that help() and documentation list them."""
    own = signature(function)
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=StoreKeywords.__annotations__[name])
        for name, default in _DEFAULTS.items()
    ]
    before = [one for one in own.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    after = [one for one in own.parameters.values() if one.kind is Parameter.VAR_KEYWORD and one.name != "stores"]
    return own.replace(parameters=[*before, *more, *after])
