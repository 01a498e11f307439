"""Following one object until it is as wanted."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from crds.resources import Resource
from devctl.errors import NoAnswer, TimedOut
from devctl.kube.api import Api
from devctl.objects import Object

_T = TypeVar("_T")
_RETRY_S = 0.5


def follow(
    api: Api, resource: Resource, name: str, namespace: str, timeout_s: float
) -> Iterator[Object | None]:
    """The object now and after each change; None while there is none. Ends after timeout_s.

    An API server that goes away meanwhile (it may be restarting) is waited for.
    """
    deadline = time.monotonic() + timeout_s
    fields = f"metadata.name={name}"
    is_known = False
    while True:
        try:
            items, version = api.list_from(resource, namespace, fields=fields)
            is_known = True
            yield items[0] if items else None
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for kind, obj in api.watch(resource, namespace, version, fields, timeout_s=max(1, int(left))):
                yield None if kind == "DELETED" else obj
        except NoAnswer:
            if not is_known or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)
        if time.monotonic() > deadline:
            return


def until(
    objects: Iterator[Object | None], check: Callable[[Object | None], _T | None], what: Callable[[], str]
) -> _T:
    """The first result of `check` that is not None. Raises TimedOut, with what was waited for."""
    for obj in objects:
        result = check(obj)
        if result is not None:
            return result
    raise TimedOut(what())
