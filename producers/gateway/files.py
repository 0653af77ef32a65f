"""How many connections the system lets this process have."""

import structlog

try:
    import resource
except ImportError:  # it does not exist for Windows
    resource = None  # type: ignore[assignment]

OTHER_FILES = 256
"""The log's connections, files, and those turned away."""


def connections(wanted: int) -> int:
    """Ask for as many open files as `wanted` connections need; what is possible."""
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = wanted + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < need:
        soft = need if hard == resource.RLIM_INFINITY else min(need, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= need:
        return wanted
    possible = max(1, soft - OTHER_FILES)
    structlog.get_logger(__name__).info("too few open files allowed for the connections set", wanted=wanted, possible=possible)
    return possible
