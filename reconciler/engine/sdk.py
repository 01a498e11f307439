"""Makes Pulumi's Python SDK (3.259.0) fit for many inline programs in one process.

The SDK keeps what belongs to a program in context variables, with two leaks. Through them a program can fail because
the engine of another one died:

- The SDK asks the engine for its features in an executor thread, which has no context. So it asks the engine of
  whichever program started last (`pulumi.runtime.settings._load_monitor_feature_support`).
- gRPC shares connections between all channels to one address, and waits before it retries a failed one. Engines
  listen on ports that the system picks. An engine that gets the port of one that was killed a moment ago cannot be
  reached by its own program then.

The SDK also sends what nobody here reads. Its debug messages go to the engine, which passes them on as events: a
quarter of the processor time of a run. For each resource it sends the stack of calls that led to it, down to those of
the interpreter: two thirds of a checkpoint.

And a program whose engine was killed ends with a traceback in the log, which keeps its event loop in memory. The
run's outcome says what happened.
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
    """Have each program talk to its own engine only, and send it only what matters. May be called again."""
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
