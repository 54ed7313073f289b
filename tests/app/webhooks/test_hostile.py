"""Addresses that must not be reached, at registration and at the try, behind a guard that knows loopback only.

The last tests show that the table would fail without the check: the guard blocks, and who does not check walks out.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.webhooks import addresses
from app.webhooks.addresses import Allowed, Refused
from app.webhooks.delivery import Answered, Unreached
from app.webhooks.sender import Sender
from tests.app.webhooks.guard import Blocked, loopback_only
from tests.app.webhooks.peers import OK, Peer, peer, says

pytestmark = pytest.mark.anyio

PUBLIC = "8.8.8.8"
URL = "url_refused"
ADDRESS = "address_refused"
CONTEXT = ssl.create_default_context()


@dataclass(frozen=True)
class Row:
    """A URL (`PORT` is that of a server on loopback), what its name leads to, and the code of the refusal."""

    url: str
    code: str = ADDRESS
    answers: tuple[str, ...] = ()
    lures: bool = True
    """Whether a client that checks nothing would go there; others refuse to read it, as this service does."""


def name(host: str, *answers: str, lures: bool = True) -> Row:
    return Row(f"http://{host}:PORT/", ADDRESS, answers, lures)


LITERAL = [
    *["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"],
    *["169.254.0.23", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1"],
    *["255.255.255.255", "192.88.99.1"],
    # metadata and platforms: AWS, GCP, Azure, DigitalOcean; containers of AWS; Azure; Alibaba; Oracle, new and classic
    *["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "169.254.0.2", "192.0.0.192"],
    *["[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:169.254.169.254]"],
    *["[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:80ff:fffe]"],
    *["[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2a00::5efe:a00:1]", "[fe80::1]", "[fd00:ec2::254]", "[fc00::1]"],
    *["[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[2001:20::1]", "[::ffff:8.8.8.8]"],
]
WRITTEN_OTHERWISE = {
    "decimal": "2130706433",
    "decimal metadata": "2852039166",
    "hex": "0x7f000001",
    "upper hex": "0X7F000001",
    "dotted hex": "0x7f.0x0.0x0.0x1",
    "octal": "017700000001",
    "mixed": "0x7f.1",
    "two parts": "127.1",
    "three parts": "127.0.1",
    "zero": "0",
}
ROWS = {
    **{host: Row(f"http://{host}:PORT/") for host in LITERAL},
    **{what: Row(f"http://{host}:PORT/", URL) for what, host in WRITTEN_OTHERWISE.items()},
    "dotted octal": Row("http://0177.0.0.01:PORT/", URL, lures=False),
    "padded": Row("http://127.000.000.001:PORT/", URL, lures=False),
    "address with a trailing dot": Row("http://127.0.0.1.:PORT/", URL, lures=False),
    "percent-encoded": Row("http://%31%32%37.0.0.1:PORT/", URL, lures=False),
    "full-width digits": Row("http://１２７.0.0.1:PORT/", URL, lures=False),
    "circled digits": Row("http://①②⑦.0.0.①:PORT/", URL, lures=False),
    "arabic digits": Row("http://١٢٧.0.0.1:PORT/", URL, lures=False),
    "full-width dots": Row("http://127．0．0．1:PORT/", URL),
    "ideographic full stops": Row("http://127。0。0。1:PORT/", URL),
    "full-width letters": Row("http://ｌｏｃａｌｈｏｓｔ:PORT/", URL, ("127.0.0.1",), lures=False),
    "zone id": Row("http://[fe80::1%25eth0]:PORT/", URL, lures=False),
    "bare zone id": Row("http://[fe80::1%lo]:PORT/", URL),
    # names
    "localhost": name("localhost", "127.0.0.1"),
    "LOCALHOST": name("LOCALHOST", "::1", "127.0.0.1"),
    "localhost.": Row("http://localhost.:PORT/", URL, ("127.0.0.1",)),
    "localhost.localdomain": name("localhost.localdomain", "127.0.0.1"),
    "name of loopback": name("localtest.example", "127.0.0.1"),
    "address in a name": name("127.0.0.1.nip.example", "127.0.0.1"),
    "intranet": name("intranet", "10.0.0.5"),
    "metadata of GCP": name("metadata.google.internal", "169.254.169.254"),
    "metadata of AWS by name": name("instance-data.ec2.internal", "169.254.169.254"),
    "unique local": name("six.example", "fd00:ec2::254"),
    "mapped answer": name("mapped.example", "::ffff:127.0.0.1"),
    "NAT64 answer": name("nat64.example", "64:ff9b::a9fe:a9fe"),
    "answer with a zone": name("zone.example", "fe80::1%lo"),
    "unspecified answer": name("zero.example", "0.0.0.0"),
    "good and bad": name("both.example", PUBLIC, "127.0.0.1"),
    "bad and good": name("both.example", "127.0.0.1", PUBLIC),
    "good and bad of the other family": name("both.example", PUBLIC, "::1"),
    "answer that is a name": name("alias.example", "localhost", lures=False),
    "underscore": name("_svc.example", "10.96.0.1"),
    # who is called is not who is named
    "user": Row("http://hooks.example@127.0.0.1:PORT/", URL),
    "user and password": Row("http://hooks.example:443@127.0.0.1:PORT/", URL),
    "user after": Row("http://127.0.0.1:PORT@hooks.example/", URL, (PUBLIC,)),
    "two users": Row("http://a@127.0.0.1:PORT@hooks.example/", URL, (PUBLIC,)),
    "empty user": Row("http://@127.0.0.1:PORT/", URL),
    "fragment before": Row("http://127.0.0.1:PORT#@hooks.example/", URL),
    "fragment": Row("http://127.0.0.1:PORT/#x", URL),
    "backslash": Row("http://hooks.example\\@127.0.0.1:PORT/", URL),
    "backslash after": Row("http://127.0.0.1\\.hooks.example:PORT/", URL, ("127.0.0.1",)),
    "backslashes": Row("http:\\\\127.0.0.1:PORT\\", URL, lures=False),
    "encoded slash": Row("http://127.0.0.1%2F.hooks.example:PORT/", URL, ("127.0.0.1",)),
    "encoded NUL": Row("http://127.0.0.1%00.hooks.example:PORT/", URL, ("127.0.0.1",)),
    # other schemes
    "file": Row("file:///etc/passwd", URL, lures=False),
    "unix": Row("unix:///var/run/docker.sock", URL, lures=False),
    "http over unix": Row("http+unix://%2Fvar%2Frun%2Fdocker.sock/containers", URL, lures=False),
    "unix in brackets": Row("http://[unix:/var/run/docker.sock]/", URL, lures=False),
    "unix as host": Row("http://unix:/var/run/docker.sock", URL, lures=False),
    "gopher": Row("gopher://127.0.0.1:PORT/_x", URL, lures=False),
    "ftp": Row("ftp://127.0.0.1:PORT/", URL, lures=False),
    "dict": Row("dict://127.0.0.1:PORT/", URL, lures=False),
    "data": Row("data:text/plain,x", URL, lures=False),
    "javascript": Row("javascript:alert(1)", URL, lures=False),
    "websocket": Row("ws://127.0.0.1:PORT/", URL),
    "no scheme": Row("//127.0.0.1:PORT/", URL, lures=False),
    "no slashes": Row("http:127.0.0.1:PORT/", URL, lures=False),
    "one slash": Row("http:/127.0.0.1:PORT/", URL, lures=False),
    "three slashes": Row("http:///127.0.0.1:PORT/", URL, lures=False),
    "empty": Row("", URL, lures=False),
    # ports
    "port 0": Row("http://hooks.example:0/", URL, (PUBLIC,)),
    "port too high": Row("http://hooks.example:65536/", URL, (PUBLIC,), lures=False),
    "port far too high": Row("http://hooks.example:" + "9" * 30 + "/", URL, (PUBLIC,), lures=False),
    "signed port": Row("http://127.0.0.1:+PORT/", URL),
    "negative port": Row("http://127.0.0.1:-PORT/", URL, lures=False),
    "port of other digits": Row("http://127.0.0.1:８０/", URL),
    "two ports": Row("http://127.0.0.1:PORT:80/", URL, lures=False),
    "empty port": Row("http://127.0.0.1:/", URL),
    # what is not visible
    "line break": Row("http://127.0.0.1:PORT/\r\nHost: hooks.example", URL, lures=False),
    "line break at the end": Row("http://127.0.0.1:PORT/\n", URL, lures=False),
    "tab": Row("http://127.0.\t0.1:PORT/", URL, lures=False),
    "NUL": Row("http://127.0.0.1\0.hooks.example:PORT/", URL, lures=False),
    "space before": Row(" http://127.0.0.1:PORT/", URL, lures=False),
    "space in the path": Row("http://127.0.0.1:PORT/ x", URL),
    "zero width": Row("http://127.0.0.1\u200b:PORT/", URL, lures=False),
    "too long": Row("http://127.0.0.1:PORT/" + "x" * 2000, URL),
}  # fmt: skip
LURES = {what: row for what, row in ROWS.items() if row.lures}


def every(rows: dict[str, Row]) -> Any:
    return pytest.mark.parametrize("row", rows.values(), ids=[ascii(what) for what in rows])


@pytest.fixture
def tried() -> Iterator[list[str]]:
    """What was tried behind the guard."""
    with loopback_only() as noted:
        yield noted


@pytest.fixture
async def inside() -> AsyncIterator[Peer]:
    """A service of the internal network, which counts who reaches it."""
    async with peer(says(OK)) as made:
        yield made


def sender(*answers: Sequence[str], allow: str = "", seconds: float = 2) -> Sender:
    """With a resolver that gives one set of answers after the other, the last for ever."""
    left = list(answers)

    def look_up(_host: str, _port: int) -> list[str]:
        return list(left.pop(0) if len(left) > 1 else left[0])

    return Sender(Allowed.parse(allow), https_only=False, timeout_seconds=seconds, look_up=look_up, ssl_context=CONTEXT)


@every(ROWS)
async def test_it_is_refused_at_registration_and_at_the_try(row: Row, tried: list[str], inside: Peer) -> None:
    url = row.url.replace("PORT", str(inside.port))
    async with sender(row.answers) as client:
        with pytest.raises(Refused) as refusal:
            await client.check(url)
        outcome = await client.post(url, {}, b"{}")
    assert outcome == Unreached(row.code, refusal.value.message)
    assert refusal.value.code == row.code
    assert not [answer for answer in row.answers if answer in refusal.value.message]
    assert (tried, inside.hits) == ([], 0)


@pytest.mark.parametrize("later", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]])
async def test_a_name_that_led_elsewhere_at_registration(later: list[str], tried: list[str], inside: Peer) -> None:
    url = f"http://hooks.example:{inside.port}/"
    async with sender([PUBLIC], later) as client:
        await client.check(url)
        outcome = await client.post(url, {}, b"{}")
    assert isinstance(outcome, Unreached)
    assert (outcome.code, tried, inside.hits) == ("address_refused", [], 0)


async def test_a_name_that_leads_elsewhere_between_the_check_and_the_connection(tried: list[str], inside: Peer) -> None:
    """There is one look-up a try, and what it gave is what is connected to."""
    async with sender([PUBLIC], ["127.0.0.1"]) as client:
        outcome = await client.post(f"http://hooks.example:{inside.port}/", {}, b"{}")
    assert isinstance(outcome, Unreached)
    assert (outcome.code, tried, inside.hits) == ("unreachable", [PUBLIC], 0)
    assert PUBLIC not in outcome.message


REDIRECTS = pytest.mark.parametrize("status", [301, 302, 303, 307, 308])


@REDIRECTS
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "hooks.example", "169.254.169.254"])
async def test_a_redirect_is_an_answer_and_not_followed(status: int, host: str, tried: list[str], inside: Peer) -> None:
    there = f"http://{host}:{inside.port}/secret"
    answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {there}\r\nRefresh: 0; url={there}\r\nContent-Length: 0\r\n\r\n"
    async with peer(says(answer.encode())) as outside, sender(["127.0.0.1"], allow="hooks.example") as client:
        outcome = await client.post(f"http://hooks.example:{outside.port}/", {}, b"{}")
    assert outcome == Answered(status)
    assert (tried, outside.hits, inside.hits) == (["127.0.0.1"], 1, 0)


async def test_what_is_allowed_is_reached(tried: list[str], inside: Peer) -> None:
    """The same server, name and port: it is the check that keeps the others out."""
    async with sender(["127.0.0.1"], allow="127.0.0.0/8") as client:
        await client.check(f"http://hooks.example:{inside.port}/")
        outcome = await client.post(f"http://hooks.example:{inside.port}/", {}, b"{}")
    assert (outcome, inside.hits, tried) == (Answered(200, None, b"ok"), 1, ["127.0.0.1"])


@every({what: row for what, row in ROWS.items() if row.code == ADDRESS and row.lures})
async def test_the_guard_sees_each_of_them_when_nothing_counts_as_internal(
    row: Row, tried: list[str], inside: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda _address: True)
    async with sender(row.answers, seconds=0.3) as client:
        await client.post(row.url.replace("PORT", str(inside.port)), {}, b"{}")
    assert tried


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, ...]], None]:
    """The system's resolver as it is known to be: numbers of any notation are addresses."""

    def leads_to(answers: tuple[str, ...]) -> None:
        def getaddrinfo(host: Any, port: Any, *_args: Any, **_named: Any) -> list[Any]:
            text = host.decode() if isinstance(host, bytes) else host
            try:
                found = (socket.inet_ntoa(socket.inet_aton(text)),)
            except OSError:
                found = (text,) if ":" in text else answers
            return [
                (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return leads_to


@every(LURES)
async def test_a_client_that_checks_nothing_would_go_there(
    row: Row, tried: list[str], inside: Peer, looked_up: Callable[[tuple[str, ...]], None]
) -> None:
    looked_up(row.answers)
    async with httpx.AsyncClient(trust_env=False, verify=CONTEXT, timeout=0.3) as naive:
        try:
            await naive.post(row.url.replace("PORT", str(inside.port)))
        except httpx.HTTPError:
            assert tried
        else:
            assert inside.hits == 1


@REDIRECTS
async def test_a_client_that_follows_redirects_would_go_there(status: int, tried: list[str], inside: Peer) -> None:
    answer = f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
    async with (
        peer(says(answer.encode())) as outside,
        httpx.AsyncClient(trust_env=False, verify=CONTEXT, follow_redirects=True) as naive,
    ):
        await naive.post(f"http://127.0.0.1:{outside.port}/")
    assert (inside.hits, len(tried)) == (1, 2)


async def test_the_guard_lets_nothing_out(tried: list[str]) -> None:
    with pytest.raises(Blocked):
        await asyncio.open_connection("192.0.2.1", 80)
    with pytest.raises(Blocked), socket.socket() as plain:
        plain.connect(("192.0.2.2", 80))
    with pytest.raises(Blocked), socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", ("192.0.2.3", 53))
    with pytest.raises(socket.gaierror, match="blocked"):
        await asyncio.get_running_loop().getaddrinfo("hooks.example", 80)
    assert tried == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "hooks.example"]


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 100
    assert len(LURES) >= 60
