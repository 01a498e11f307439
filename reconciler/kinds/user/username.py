"""Who has a username, because several DevServerUsers may name the same one. Pure."""

from crds.resources import USER
from reconciler.controller.finalizers import FINALIZER
from reconciler.kube.cache import Cache
from reconciler.kube.objects import Object, annotations, owner_of
from stacks.metadata import RETAINED_BY_ANNOTATION
from stacks.user import namespace_child_of


def namesakes(cache: Cache, username: str) -> list[Object]:
    """All DevServerUsers with that username. (Their specs may not fit the models.)"""
    users = cache.resources[USER.kind].values()
    return [user for user in users if user.get("spec", {}).get("username") == username]


def holder_of(cache: Cache, username: str) -> str:
    """Name of the DevServerUser that has the username: the one that owns the namespace, otherwise the oldest.

    At least one must name it. One that is being deleted keeps it until it is gone. (Creation times count in seconds.
    Among those of the same second, one with a begun stack wins.)
    """
    namespace = cache.child(namespace_child_of(username))
    held_by = annotations(namespace).get(RETAINED_BY_ANNOTATION) if namespace is not None else None

    def rank(user: Object) -> tuple[bool, str, bool, str]:
        meta = user["metadata"]
        was_begun = FINALIZER in meta.get("finalizers", [])
        return owner_of(user).retained_by != held_by, meta["creationTimestamp"], not was_begun, meta["name"]

    holder: str = min(namesakes(cache, username), key=rank)["metadata"]["name"]
    return holder
