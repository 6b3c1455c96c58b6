"""Which addresses a webhook may reach: the public network, and what the operator named.

A name is looked up once and the connection goes to the address that was judged, so that a name
which points elsewhere a moment later leads nowhere.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Any

from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Translated by a gateway into the IPv4 address in their last 32 bits.
_NAT64 = IPv6Network("64:ff9b::/96")


class OutOfReach(OSError):
    """An address that no webhook may be sent to."""


def may_reach(address: Address, networks: Sequence[Network] | None = None) -> bool:
    """True for public addresses, and those within `networks` (default: the settings')."""
    named = settings.WEBHOOK_NETWORKS if networks is None else networks
    meant = _meant(address)
    if any(each.version == meant.version and meant in each for each in named):
        return True
    return meant.is_global and not meant.is_multicast


def literal(host: str) -> Address | None:
    """The address that `host` writes out; None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def why_not(host: str, address: Address) -> str:
    """What is said of an address out of reach."""
    return (
        f"{host} is {address}, which is no public address: webhooks reach it only where "
        "SLIPWAY_WEBHOOK_NETWORKS names its network."
    )


def _meant(address: Address) -> Address:
    """The IPv4 address behind one that only wraps it."""
    if isinstance(address, IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour
    if wrapped is None and address in _NAT64:
        wrapped = IPv4Address(int(address) & 0xFFFFFFFF)
    return wrapped or address


def _judged(host: str, port: int) -> list[str]:
    """The addresses of `host`, all of them within reach; OutOfReach otherwise."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in texts:
        address = ip_address(text.partition("%")[0])
        if not may_reach(address):
            raise OutOfReach(why_not(host, address))
    return texts


class _Judging:
    """Opens the connection of an HTTPConnection to an address that was judged."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            addresses = _judged(self._dns_host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failed: OSError | None = None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failed = error
        raise NewConnectionError(self, f"no connection to {self.host}: {failed}") from failed


class _Plain(_Judging, HTTPConnection):
    """Over HTTP."""


class _Secure(_Judging, HTTPSConnection):
    """Over HTTPS; the certificate is that of the name, whichever address was judged."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class JudgingAdapter(HTTPAdapter):
    """For a requests session: nothing that it opens leads out of reach."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
