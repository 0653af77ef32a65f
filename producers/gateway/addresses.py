"""Who asks: the address that is counted for a request, also behind proxies we trust."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from infra.errors import ConfigurationError

Networks = tuple[IPv4Network | IPv6Network, ...]

_HOPS_MAX = 20


def networks(text: str) -> Networks:
    """Addresses and networks, separated by commas.

    Raises:
        ConfigurationError: one of them is none.
    """
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        try:
            found.append(ip_network(part, strict=False))
        except ValueError:
            raise ConfigurationError(
                f"POWERMON_GATEWAY_TRUSTED_PROXIES has {part[:60]!r}; expected addresses or networks, as 10.0.0.7,10.1.0.0/16"
            ) from None
    return tuple(found)


@lru_cache(maxsize=10_000)
def is_trusted(address: str, trusted: Networks) -> bool:
    """Whether this is one of our proxies."""
    found = _parsed(address)
    return found is not None and any(found in network for network in trusted)


def client(peer: str, forwarded_for: str | None, trusted: Networks) -> str:
    """The address a request came from: the last one named by a proxy of ours that is not itself one.

    What stands before it in X-Forwarded-For may be made up.

    Args:
        peer: of the connection.
        forwarded_for: the header, or None.
    """
    at = peer
    hops = (forwarded_for or "").split(",")[-_HOPS_MAX:]
    while hops and is_trusted(at, trusted):
        named = hops.pop().strip()
        if _parsed(named) is None:
            break
        at = named
    return at


@lru_cache(maxsize=10_000)
def counted(address: str) -> str | None:
    """What limits are kept by: the address, of IPv6 the /64 a customer has; None for this machine, which is not limited."""
    found = _parsed(address)
    if found is None:
        return address[:64]
    if found.is_loopback:
        return None
    return str(found) if isinstance(found, IPv4Address) else str(ip_network((found, 64), strict=False))


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]  # some proxies add the port
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
