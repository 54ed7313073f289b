"""What is public, what the setting allows, how a URL is read, what a name may lead to."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.addresses import LONGEST_URL, Address, Allowed, Refused, is_public, parse_url, resolve

pytestmark = pytest.mark.anyio

NOTHING = Allowed()
EVERY_V4 = st.integers(0, 2**32 - 1)
WIDER_V4 = [
    IPv4Network(n)
    for n in (
        "168.63.129.16",
        "192.0.0.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
    )
]
WIDER_V6 = [IPv6Network(n) for n in ("2001::/23", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")]


def globally_reachable(address: Address) -> bool:
    """The standard library's view, which counts multicast and embedded forms as global."""
    return address.is_global and not (address.is_multicast or address.is_reserved)


@given(st.ip_addresses(v=4) | EVERY_V4.map(IPv4Address))
def test_ipv4_is_public_where_the_standard_library_says_so_and_no_wider_block_holds_it(address: IPv4Address) -> None:
    assert is_public(address) == (globally_reachable(address) and not any(address in n for n in WIDER_V4))


@given(st.ip_addresses(v=6) | st.integers(0x2 << 124, (0x4 << 124) - 1).map(IPv6Address))
def test_ipv6_is_public_where_the_standard_library_says_so_and_no_wider_block_holds_it(address: IPv6Address) -> None:
    outside = address not in IPv6Network("2000::/3") or any(address in n for n in WIDER_V6)
    isatap = address.packed[8:12] in {b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"}
    assert is_public(address) == (globally_reachable(address) and not outside and not isatap)


@given(EVERY_V4, st.integers(0, 2**64 - 1))
def test_an_address_that_carries_another_is_refused_whatever_it_carries(v4: int, rest: int) -> None:
    """Also for public ones inside: who translates them is not known."""
    nat64, local_nat64 = int(IPv6Address("64:ff9b::")), int(IPv6Address("64:ff9b:1::"))
    carriers = {
        "compatible": v4,
        "mapped": 0xFFFF << 32 | v4,
        "translated": 0xFFFF << 48 | v4,
        "6to4": 0x2002 << 112 | v4 << 80 | rest,
        "teredo": 0x20010000 << 96 | rest << 32 | v4,
        "nat64": nat64 | v4,
        "local nat64": local_nat64 | v4 << 40,
        "isatap": 0x2A00 << 112 | 0x00005EFE << 32 | v4,
        "isatap of a public one": 0x2A00 << 112 | 0x02005EFE << 32 | v4,
    }
    assert not {name for name, number in carriers.items() if is_public(IPv6Address(number))}


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::200e"])
def test_hosts_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert not NOTHING.covers(ip_address(address))


def test_an_address_with_a_zone_is_never_public_nor_covered() -> None:
    zoned = ip_address("2606:4700:4700::1111%eth0")
    assert not is_public(zoned)
    assert not Allowed.parse("2606:4700::/32").covers(zoned)


def test_the_setting_holds_names_addresses_and_networks() -> None:
    allowed = Allowed.parse(" Chat.Internal , 10.1.0.0/16,,fd00::/8 , 192.168.1.7,::ffff:10.2.0.0/112,")
    assert allowed.names == {"chat.internal"}
    covered = ["10.1.255.255", "fd12::1", "192.168.1.7", "::ffff:10.2.3.4"]
    assert all(allowed.covers(ip_address(a)) for a in covered)
    assert not any(allowed.covers(ip_address(a)) for a in ["10.2.0.1", "192.168.1.8", "::ffff:10.1.0.1", "127.0.0.1"])
    assert Allowed.parse("") == Allowed.parse(" , ") == NOTHING


@pytest.mark.parametrize(
    "entry",
    [
        "http://chat", "chat:8080", "*.internal", "10.0.0.1/8", "10.0.0.0/33", "127.1", "2130706433", "0x7f000001",
        "[::1]", "fe80::1%eth0/64", "chat/24", "a b", "-chat", "chat-", "chat..internal", "chat.", "ä.example",
        "x" * 64,
    ],
)  # fmt: skip
def test_a_bad_entry_of_the_setting_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="PILOTLIGHT_WEBHOOK_ALLOW") as error:
        Allowed.parse(f"chat.internal,{entry}")
    assert repr(entry) in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/services/T0/B0?x=%20y&z=[1]",
        "HTTPS://Hooks.Example:8443/",
        "https://xn--bcher-kva.example",
        "https://8.8.8.8/x",
        "https://[2606:4700:4700::1111]:443/x",
        "https://a_b.example?x",
        "https://3com.example/@user",
        "http://hooks.example/",
    ],
)
def test_urls_of_the_public_internet_are_read_as_they_stand(url: str) -> None:
    assert parse_url(url, NOTHING, https_only=False) == httpx.URL(url)


def refused(text: str, allowed: Allowed = NOTHING, *, https_only: bool = True) -> str:
    with pytest.raises(Refused) as refusal:
        parse_url(text, allowed, https_only=https_only)
    return refusal.value.code


def test_plain_http_is_for_development_and_for_what_is_allowed() -> None:
    listed = Allowed.parse("chat.internal,10.0.0.0/8")
    assert refused("http://hooks.example/") == refused("http://8.8.8.8/", listed) == "https_required"
    assert refused("http://127.0.0.1/", listed) == "https_required"
    assert refused("http://hooks.example/", Allowed.parse("chat.internal")) == "https_required"
    for url in ("http://chat.internal/", "http://CHAT.internal:8065/hooks", "http://10.1.2.3:8065/"):
        assert parse_url(url, listed, https_only=True).scheme == "http"
    assert refused("http://10.0.0.1/", https_only=False) == "address_refused"


def test_a_url_is_not_too_long() -> None:
    longest = "https://hooks.example/".ljust(LONGEST_URL, "x")
    assert str(parse_url(longest, NOTHING, https_only=True)) == longest
    assert refused(longest + "x") == "url_refused"


def read(text: str) -> httpx.URL | None:
    try:
        return parse_url(text, NOTHING, https_only=False)
    except Refused:
        return None


HOSTS = st.sampled_from(["hooks.example", "8.8.8.8", "[2a00::1]", "127.1", "[::1]", "xn--a"]) | st.text(
    "ab1.-[]:@%\\\t／。１", max_size=8
)
TAILS = st.text("a1./?#@:\\ \r\n[]%", max_size=8)
PORTS = st.integers(-1, 70000).map(lambda port: f":{port}") | st.sampled_from(["", ":", ":+80", ":0443", ":8_0"])


SCHEMES = st.sampled_from(["http://", "HTTPS://", "//", "ftp://"])
TEXTS = st.builds("{}{}{}{}{}".format, SCHEMES, TAILS, HOSTS, PORTS, TAILS)


@given(TEXTS | st.builds("http://{}{}/{}".format, HOSTS, PORTS, TAILS))
def test_a_url_that_is_read_says_who_is_called_in_plain_sight(text: str) -> None:
    url = read(text)
    if url is None:
        return
    authority = re.split("[/?#]", text)[2].lower()
    host, _, port = authority.rpartition(":") if re.search(":[0-9]+$", authority) else (authority, "", "")
    default = 443 if url.scheme == "https" else 80
    assert url.raw_host.decode() == host.strip("[]")
    assert (url.port or default) == int(port or default)
    assert not url.userinfo
    assert not url.fragment
    assert httpx.URL(str(url)) == url


async def led_to(
    *answers: str, allowed: str = "", host: str = "hooks.example", only_allowed: bool = False
) -> list[str]:
    asked = []

    async def look_up(name: str, port: int) -> list[str]:
        asked.append((name, port))
        return list(answers)

    try:
        return await resolve(host, 443, Allowed.parse(allowed), look_up, only_allowed=only_allowed)
    finally:
        assert asked in ([(host, 443)], []), "a name is looked up once"


async def test_every_answer_counts() -> None:
    assert await led_to("8.8.8.8", "8.8.8.8", "2606:4700:4700::1111") == ["8.8.8.8", "2606:4700:4700::1111"]
    assert await led_to(host="8.8.8.8") == ["8.8.8.8"]
    assert await led_to("10.0.0.1", "8.8.8.8", allowed="10.0.0.0/8") == ["10.0.0.1", "8.8.8.8"]
    assert await led_to("10.0.0.1", allowed="hooks.example") == ["10.0.0.1"]
    assert await led_to("10.0.0.1", allowed="10.0.0.0/8", only_allowed=True) == ["10.0.0.1"]
    assert await led_to("8.8.8.8", allowed="hooks.example", only_allowed=True) == ["8.8.8.8"]


@pytest.mark.parametrize(
    ("answers", "allowed", "only_allowed", "code"),
    [
        (["8.8.8.8", "10.0.0.1"], "", False, "address_refused"),
        (["10.0.0.1", "192.168.0.1"], "10.0.0.0/8", False, "address_refused"),
        (["8.8.8.8", "10.0.0.1"], "10.0.0.0/8", True, "https_required"),
        (["other.example"], "", False, "address_refused"),
        (["other.example"], "hooks.example", False, "address_refused"),
        ([], "", False, "unresolvable"),
        ([], "hooks.example", False, "unresolvable"),
    ],
)
async def test_one_bad_answer_refuses_all_and_is_not_named(
    answers: list[str], allowed: str, only_allowed: Any, code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await led_to(*answers, allowed=allowed, only_allowed=only_allowed)
    assert refusal.value.code == code
    assert not [answer for answer in answers if answer in refusal.value.message]


@pytest.mark.parametrize("error", [OSError("name server 10.0.0.53 is down"), UnicodeError("label too long")])
async def test_a_look_up_that_fails_is_a_refusal_of_its_own(error: Exception) -> None:
    async def look_up(_host: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(Refused, match=r"hooks\.example cannot be resolved") as refusal:
        await resolve("hooks.example", 443, NOTHING, look_up)
    assert refusal.value.code == "unresolvable"
