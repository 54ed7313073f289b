"""Which URLs and addresses webhooks may reach: the public internet, and what an operator allows by setting.

Everything here is pure but for the name look-up, which is passed in. Networks are those of IANA's registries of
special-purpose addresses (RFC 6890), and forms that carry another address inside.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

import httpx

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
type LookUp = Callable[[str, int], Awaitable[Sequence[str]]]

LONGEST_URL = 2000
HIGHEST_PORT = 65535
LONGEST_NAME = 253

SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a provider's NAT; metadata of Alibaba
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # the platform's own address in every virtual network of Azure
            "169.254.0.0/16",  # link-local; metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocols; metadata of Oracle's classic cloud
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112, answers for private names
            "192.52.193.0/24",  # multicast tunnels
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""The only part of IPv6 given out as global unicast: mapped, NAT64, unique local, link-local, multicast lie outside."""

SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocols: Teredo, benchmarks, ORCHID, multicast tunnels, AS112
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4 carries an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the former 6bone
            "3fff::/20",  # documentation
        ),
    )
)
ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""Upper half of an interface id that carries an IPv4 address (RFC 5214)."""

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# Resolvers read a name that ends in a number (127.1, 0x7f000001, 2130706433) as an IPv4 address.
NAME = re.compile(rf"(?!(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)$){LABEL}(?:\.{LABEL})*", re.ASCII)
SHAPE = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-~]*)?", re.ASCII | re.IGNORECASE
)
FAULTS = (
    (rf"(?s:.{{{LONGEST_URL + 1}}})", f"is longer than {LONGEST_URL} characters"),
    (r"[^!-~]", "may hold visible ASCII only: write a host as xn--…, anything else percent-encoded"),
    (r"\\", "holds a backslash"),
    (r"#", "has a fragment, which no receiver would see"),
    (r"^(?!(?i:https?)://)", "does not begin with https:// (or http://)"),
    (r"^[^:]+://[^/?]*@", "holds a user name or password"),
)
NOT_PUBLIC = (
    "the host is, or its name leads to, an address that is not on the public internet; whoever runs this service"
    " can allow it with PILOTLIGHT_WEBHOOK_ALLOW"
)
HTTPS_REQUIRED = (
    "the URL must begin with https://; plain http is only for hosts that whoever runs this service allows with"
    " PILOTLIGHT_WEBHOOK_ALLOW"
)


class Refused(Exception):
    """What may not be called: a stable code, and a sentence that never names the address a name leads to.

    Codes: `url_refused`, `https_required`, `address_refused`, `unresolvable`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Allowed:
    """What may be reached although it is not public, by http too."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The setting `PILOTLIGHT_WEBHOOK_ALLOW`: host names, addresses and networks between commas.

        Raises ValueError that names the entry which is none of these.
        """
        names, networks = set[str](), list[Network]()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if not _is_name(entry):
                    msg = (
                        f"PILOTLIGHT_WEBHOOK_ALLOW: {entry!r} is neither a host name nor an address nor a network"
                        " (such as 10.1.0.0/16, with no bits set behind the prefix)"
                    )
                    raise ValueError(msg) from None
                names.add(entry)
        return cls(frozenset(names), tuple(networks))

    def covers(self, address: Address) -> bool:
        """Whether an allowed network holds the address itself; what is embedded in it does not count."""
        return not _zoned(address) and any(address in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Whether the address belongs to one host on the public internet and carries no other address inside."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    carries = (int(address) >> 32) & 0xFFFFFFFF in ISATAP
    special = any(address in network for network in SPECIAL_V6)
    return address in GLOBAL_V6 and not (special or carries or _zoned(address))


def parse_url(text: str, allowed: Allowed, *, https_only: bool) -> httpx.URL:
    """The one reading of a URL, for the check and for the call; an address in it is checked at once.

    Raises Refused.
    """
    fault = next((message for pattern, message in FAULTS if re.search(pattern, text)), None)
    shape = SHAPE.fullmatch(text)
    if fault or shape is None:
        raise Refused("url_refused", f"the URL {fault or 'does not read like https://host/path'}")
    if shape["port"] and not 0 < int(shape["port"]) <= HIGHEST_PORT:
        raise Refused("url_refused", f"the URL has a port outside 1 to {HIGHEST_PORT}")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise Refused("url_refused", "the URL holds a malformed address") from error
    host = url.raw_host.decode("ascii")
    address = literal(host)
    if address is None and not _is_name(host):
        raise Refused(
            "url_refused", "the URL names no valid host: write a name, or an IPv4 address as four decimal numbers"
        )
    # Whether a name leads into an allowed network turns out when it is resolved: `only_allowed` there.
    by_http = allowed.covers(address) if address else host in allowed.names or bool(allowed.networks)
    if https_only and url.scheme == "http" and not by_http:
        raise Refused("https_required", HTTPS_REQUIRED)
    if address is not None and not (is_public(address) or allowed.covers(address)):
        raise Refused("address_refused", NOT_PUBLIC)
    return url


async def resolve(host: str, port: int, allowed: Allowed, look_up: LookUp, *, only_allowed: bool = False) -> list[str]:
    """The addresses to connect to, looked up once and each of them checked: one bad answer refuses all.

    With `only_allowed` public addresses will not do. Raises Refused.
    """
    try:
        answers = [host] if literal(host) else await look_up(host, port)
    except (OSError, UnicodeError) as error:
        raise Refused(
            "unresolvable",
            f"the host name {host} cannot be resolved; is it spelt right, and known to the name server here?",
        ) from error
    if not answers:
        raise Refused("unresolvable", f"the host name {host} has no address")
    addresses = [literal(answer) for answer in answers]
    # An answer that is no address would be looked up once more while connecting, so even an allowed name may not.
    if not all(addresses):
        raise Refused("address_refused", NOT_PUBLIC)
    known = [address for address in addresses if address]
    if host not in allowed.names and not all(is_public(one) or allowed.covers(one) for one in known):
        raise Refused("address_refused", NOT_PUBLIC)
    if only_allowed and host not in allowed.names and not all(map(allowed.covers, known)):
        raise Refused("https_required", HTTPS_REQUIRED)
    return [str(address) for address in dict.fromkeys(known)]


def literal(text: str) -> Address | None:
    """The address that a text spells out; None for a name."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _zoned(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address.scope_id is not None


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and NAME.fullmatch(text) is not None
