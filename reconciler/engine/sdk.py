"""Makes Pulumi's Python SDK (3.259.0) fit for many inline programs in one process.

It keeps what belongs to a program in context variables, with two leaks, through which a program can fail for the
death of another one's engine:

- An engine is asked for its features in an executor thread, which has no context: the engine of whichever program
  started last is asked instead (`pulumi.runtime.settings._load_monitor_feature_support`).
- gRPC shares connections between all channels to one address, and waits for some time before it tries one again
  that has failed. Engines listen on ports that the system picks; one that gets the port of an engine that was
  killed a moment ago is then unreachable for its own program.

It tells the engine, call by call, what would interest those who debug the SDK; the engine passes that on as events.
Nobody reads them, and they were a quarter of the processor time of a run. For each resource it sends the stack of
calls that led to it, down to the interpreter's own: that was two thirds of a checkpoint.

And a program whose engine was killed ends with a traceback in the log, which holds on to its event loop; what
there is to say about it is in the run's outcome.
"""

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import ParamSpec, TypeVar

import pulumi.log
from pulumi.runtime import _grpc_settings, resource, settings
from pulumi.runtime.proto import source_pb2

_P = ParamSpec("_P")
_T = TypeVar("_T")
_OWN_CONNECTIONS = ("grpc.use_local_subchannel_pool", 1)


def isolate_programs() -> None:
    """From now on each program hears of its own engine only, and bothers it with what matters. May be called again."""
    pulumi.log.debug = _say_nothing
    resource._get_stack_trace = source_pb2.StackTrace
    logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
    settings.wrap_with_context = _with_context_of_caller  # type: ignore[attr-defined]
    # The SDK's modules all hold this one list.
    if _OWN_CONNECTIONS not in _grpc_settings._GRPC_CHANNEL_OPTIONS:
        _grpc_settings._GRPC_CHANNEL_OPTIONS.append(_OWN_CONNECTIONS)


def _with_context_of_caller(function: Callable[_P, _T]) -> Callable[_P, _T]:
    context = copy_context()

    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return context.run(function, *args, **kwargs)

    return call


def _say_nothing(*_: object, **__: object) -> None:
    pass
