"""Loops over bytes and records, compiled to machine code.

Only what runs for every reading is compiled. It is plain Python too: NUMBA_DISABLE_JIT=1 runs it as it stands.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers when it is first called, without the interpreter's lock.

    The code is kept beside the source for the next process. Nothing checks an index at run time: the function must.
    """
    return _compiled(function, {})


def uncounted(function: F) -> F:
    """The same for functions that make no arrays and are called by none that are `compiled`: nobody counts references.

    Counting takes a third of the time of a function that hands its arrays to many small ones.
    """
    return _compiled(function, {"_nrt": False})


def _compiled(function: F, more: dict[str, Any]) -> F:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"} | more
    try:
        return cast(F, njit(cache=True, **options)(function))
    except RuntimeError:  # no folder to keep it in
        return cast(F, njit(**options)(function))
