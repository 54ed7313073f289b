"""The outbound client against real receivers on loopback: what they answer, and what they do instead."""

import asyncio
import contextlib
import gzip
import random
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.config import Settings
from app.webhooks.addresses import Allowed, Refused
from app.webhooks.delivery import Answered, Outcome, Unreached
from app.webhooks.sender import Sender
from tests.app.webhooks.guard import loopback_only
from tests.app.webhooks.peers import OK, Answer, Peer, hangs, peer, says, then

pytestmark = pytest.mark.anyio

LOCAL = Allowed.parse("hooks.example,127.0.0.0/8")
PLAIN = ssl.create_default_context()
"""Made once, as it takes a while; a client of its own is tested below."""


@pytest.fixture(autouse=True)
def _loopback() -> Any:
    with loopback_only():
        yield


def sender(*addresses: str, seconds: float = 5, allowed: Allowed = LOCAL, **given: Any) -> Sender:
    usual = {"look_up": lambda _host, _port: list(addresses or ["127.0.0.1"]), "ssl_context": PLAIN}
    return Sender(allowed, https_only=False, timeout_seconds=seconds, **usual | given)


async def posted(answer: Answer, *, seconds: float = 5) -> Outcome:
    async with peer(answer) as receiver, sender(seconds=seconds) as client:
        return await client.post(f"http://hooks.example:{receiver.port}/hook?a=b", {"Webhook-Id": "msg_1"}, b'{"a":1}')


def answer(head: str, body: bytes = b"") -> Answer:
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {head}", f"Content-Length: {len(body)}"))
    return says(lines.encode() + b"\r\n" + body)


async def test_what_a_receiver_is_sent() -> None:
    async with peer(says(OK)) as receiver, sender() as client:
        url = f"http://Hooks.example:{receiver.port}/hook/%20?a=b&c"
        headers = {"Webhook-Id": "msg_1", "User-Agent": "other", "Host": "other", "Content-Type": "application/json"}
        assert await client.post(url, headers, b'{"a":1}') == Answered(200, None, b"ok")
        assert await client.post(url, {}, b"") == Answered(200, None, b"ok")
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    request, *lines = head.decode().split("\r\n")
    assert request == "POST /hook/%20?a=b&c HTTP/1.1"
    sent = dict(line.split(": ", 1) for line in lines)
    assert sent.pop("user-agent").startswith("Pilotlight/")
    assert sent == {
        "webhook-id": "msg_1",
        "content-type": "application/json",
        "host": f"hooks.example:{receiver.port}",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "7",
    }
    assert len(lines) == 7
    assert body == b'{"a":1}'
    assert receiver.hits == 2, "each try has a connection of its own"


@pytest.mark.parametrize(
    ("head", "status", "wait"),
    [
        ("204 No Content", 204, None),
        ("302 Found\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: a=b", 302, None),
        ("410 Gone", 410, None),
        ("429 Too Many Requests\r\nRetry-After: 17", 429, 17.0),
        ("503 Unavailable\r\nretry-after: -3", 503, 0.0),
        ("503 Unavailable\r\nRetry-After: later", 503, None),
        ("200", 200, None),
        ("999 Odd", 999, None),
    ],
)
async def test_every_status_is_an_answer(head: str, status: int, wait: float | None) -> None:
    assert await posted(answer(head)) == Answered(status, wait)


async def test_a_receiver_may_ask_for_time_with_a_date() -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    outcome = await posted(answer(f"503 Unavailable\r\nRetry-After: {at}"))
    assert isinstance(outcome, Answered)
    assert outcome.retry_after == pytest.approx(600, abs=5)


async def test_an_early_hint_is_not_the_answer() -> None:
    assert await posted(says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK)) == Answered(200, None, b"ok")


async def test_the_first_kilobyte_of_a_long_body_is_kept_and_the_rest_is_not_waited_for() -> None:
    body = random.Random(7).randbytes(1024)
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000000\r\n\r\n"
    started = time.monotonic()
    assert await posted(then(says(head + body + b"x" * 100_000), hangs)) == Answered(500, None, body)
    assert time.monotonic() - started < 2


async def test_chunks_are_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await posted(says(chunked, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n", pause=0.01)) == Answered(
        200, None, b"abcde"
    )
    assert await posted(says(chunked, b"3\r\nabc\r\nnonsense")) == Answered(200, None, b"abc")


async def test_a_packed_answer_stays_packed() -> None:
    """Nobody asked for it, and a small answer may unpack to a huge one."""
    packed = gzip.compress(b"x" * 1_000_000)
    assert len(packed) < 1024
    assert await posted(answer("200 OK\r\nContent-Encoding: gzip", packed)) == Answered(200, None, packed)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("rest", "kept"), [(hangs, b""), (says(*[b"x"] * 50, pause=0.05), b"x"), (says(b"xxxx"), b"xxxx")]
)
async def test_once_the_status_is_there_it_counts(rest: Answer, kept: bytes) -> None:
    outcome = await posted(then(says(HEAD), rest), seconds=0.6)
    assert isinstance(outcome, Answered)
    assert (outcome.status, outcome.body[: len(kept)]) == (200, kept)


@pytest.mark.parametrize(
    "instead",
    [
        hangs,
        says(b"HTTP/1.1 200 OK\r\n", *[b"a"] * 50, pause=0.05),
        then(says(b"HTTP/1.1 100 Continue\r\n\r\n"), hangs),
    ],
    ids=["silence", "a head in drips", "only a promise"],
)
async def test_the_time_limit_is_for_the_whole_try(instead: Answer) -> None:
    started = time.monotonic()
    assert code(await posted(instead, seconds=0.3)) == "timeout"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "instead",
    [
        says(),
        says(b"HTTP/1.1 200 OK\r\nContent-"),
        says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        says(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"),
        says(b"HTTP/2 200\r\n\r\n"),
        says(b"HTTP/1.1 000 Odd\r\n\r\n"),
        says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000),
    ],
    ids=["nothing", "half a head", "SSH", "bytes", "HTTP/2", "no status", "upgrade", "bad length", "endless head"],
)
async def test_what_is_not_http_is_no_answer_and_not_repeated(instead: Answer) -> None:
    outcome = await posted(instead)
    assert outcome == Unreached(
        "protocol_error", "the receiver closed the connection, or answered with something that is not HTTP"
    )


async def test_a_connection_that_is_reset_is_no_answer() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert code(await posted(reset)) == "protocol_error"


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Unreached), outcome
    assert "127." not in outcome.message
    assert "Error" not in outcome.message
    return outcome.code


@pytest.fixture
async def closed_port() -> int:
    async with peer(hangs) as gone:
        return gone.port


async def test_a_port_where_nobody_listens(closed_port: int) -> None:
    async with sender() as client:
        assert code(await client.post(f"http://hooks.example:{closed_port}/", {}, b"")) == "connection_refused"


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with peer(says(OK)) as receiver, sender("127.0.0.9", "127.0.0.8", "127.0.0.1") as client:
        assert await client.post(f"http://hooks.example:{receiver.port}/", {}, b"") == Answered(200, None, b"ok")


async def test_a_network_that_is_not_there() -> None:
    """The guard knows no other network than loopback."""
    async with sender("8.8.8.8") as client:
        assert code(await client.post("http://hooks.example/", {}, b"")) == "unreachable"


async def test_what_may_not_be_called_is_an_outcome_as_well() -> None:
    async with sender("10.0.0.1", allowed=Allowed()) as client:
        assert code(await client.post("https://hooks.example/", {}, b"")) == "address_refused"
        assert code(await client.post("https://hooks.example@10.0.0.1/", {}, b"")) == "url_refused"


async def test_plain_http_goes_where_it_is_allowed_only() -> None:
    def guarded(allowed: str) -> Sender:
        return Sender(
            Allowed.parse(allowed),
            https_only=True,
            timeout_seconds=5,
            look_up=lambda host, _port: ["127.0.0.1" if host == "inside.example" else "8.8.8.8"],
            ssl_context=PLAIN,
        )

    async with peer(says(OK)) as receiver, guarded("127.0.0.0/8") as client:
        url = f"http://inside.example:{receiver.port}/"
        await client.check(url)
        assert await client.post(url, {}, b"") == Answered(200, None, b"ok")
        with pytest.raises(Refused, match="https://"):
            await client.check("http://outside.example/")
        assert code(await client.post("http://outside.example/", {}, b"")) == "https_required"
    async with guarded("") as client:
        assert code(await client.post("http://outside.example/", {}, b"")) == "https_required"


# Look-ups


async def test_a_resolver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def look_up(host: str, _port: int) -> list[str]:
        if host == "dead.example":
            released.wait(20)
        return ["127.0.0.1"]

    monkeypatch.setattr("app.webhooks.sender.CHECK_SECONDS", 0.2)
    try:
        async with peer(says(OK)) as receiver, sender(seconds=0.6, look_up=look_up) as client:
            dead = [asyncio.create_task(client.post("http://dead.example/", {}, b"")) for _ in range(40)]
            await asyncio.sleep(0.05)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "done"), 0.3) == "done"
            assert await client.post(f"http://hooks.example:{receiver.port}/", {}, b"") == Answered(200, None, b"ok")
            with pytest.raises(Refused, match="not resolved in time") as refusal:
                await client.check("http://dead.example/")
            assert refusal.value.code == "unresolvable"
            assert {code(await task) for task in dead} == {"timeout"}
    finally:
        released.set()


async def test_the_system_resolves_where_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(says(OK)) as receiver, Sender(LOCAL, https_only=False, timeout_seconds=5) as client:
        monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_named: [(2, 1, 6, "", ("127.0.0.1", 80))])
        assert await client.post(f"http://hooks.example:{receiver.port}/", {}, b"") == Answered(200, None, b"ok")


async def test_a_name_nobody_knows() -> None:
    """The guard lets no look-up out, as a broken resolver does."""
    async with Sender(LOCAL, https_only=False, timeout_seconds=5) as client:
        assert code(await client.post("https://nobody.example/", {}, b"")) == "unresolvable"
        with pytest.raises(Refused, match=r"nobody\.example cannot be resolved"):
            await client.check("https://nobody.example/")


async def test_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(says(OK)) as proxy, peer(says(OK)) as receiver:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        async with sender() as client:
            assert await client.post(f"http://hooks.example:{receiver.port}/", {}, b"") == Answered(200, None, b"ok")
    assert (proxy.hits, receiver.hits) == (0, 1)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key, for the name and for an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    today = datetime.now(UTC)
    names = [x509.DNSName("hooks.example"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem, pkcs8, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, pkcs8, bare))
    return path


@pytest.fixture
def named() -> list[str | None]:
    """The names that clients asked the server for."""
    return []


@pytest.fixture
async def secure(certificate: Path, named: list[str | None]) -> AsyncIterator[Peer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    async with peer(says(OK), context) as made:
        yield made


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_tls_is_with_the_name_though_the_address_is_pinned(
    secure: Peer, certificate: Path, named: list[str | None]
) -> None:
    async with sender(ssl_context=trusting(certificate)) as client:
        url = f"https://hooks.example:{secure.port}/"
        assert await client.post(url, {}, b"{}") == Answered(200, None, b"ok")
        assert await client.post(f"https://127.0.0.1:{secure.port}/", {}, b"{}") == Answered(200, None, b"ok")
    assert named == ["hooks.example", None]
    assert f"host: hooks.example:{secure.port}\r\n".encode() in secure.requests[0]


async def test_a_certificate_must_be_trusted_and_of_the_name(secure: Peer, certificate: Path) -> None:
    async with Sender(LOCAL, https_only=True, timeout_seconds=5, look_up=lambda *_: ["127.0.0.1"]) as client:
        assert code(await client.post(f"https://hooks.example:{secure.port}/", {}, b"secret")) == "tls_failed"
    allowed = Allowed.parse("other.example")
    async with sender(allowed=allowed, ssl_context=trusting(certificate)) as client:
        assert code(await client.post(f"https://other.example:{secure.port}/", {}, b"secret")) == "tls_failed"
    assert not secure.requests


async def test_an_authority_of_an_organization_is_trusted_when_it_is_named(
    secure: Peer, certificate: Path, tmp_path: Path
) -> None:
    settings = Settings(_env_file=None, webhook_allow="127.0.0.1")  # type: ignore[call-arg]
    async with Sender.of(settings) as client:
        refused = await client.post(f"https://127.0.0.1:{secure.port}/", {}, b"")
    assert isinstance(refused, Unreached)
    assert "self-signed certificate" in refused.message
    trusted = settings.model_copy(update={"webhook_ca_file": certificate})
    async with Sender.of(trusted) as client:
        assert isinstance(await client.post(f"https://127.0.0.1:{secure.port}/", {}, b""), Answered)
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(ValueError, match=f"PILOTLIGHT_WEBHOOK_CA_FILE: .*{name}"):
            Sender.of(settings.model_copy(update={"webhook_ca_file": tmp_path / name}))


async def test_a_receiver_that_knows_no_tls() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        writer.close()

    async with listening(serve) as port, sender() as client:
        assert code(await client.post(f"https://hooks.example:{port}/", {}, b"")) == "tls_failed"


@contextlib.asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """The port of a receiver that serves bare bytes."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_try_that_is_broken_off_lets_go_of_its_connection(scheme: str) -> None:
    """By the time limit, in the middle of a handshake too, or by who called."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        left.set()
        writer.close()

    async with listening(serve) as port:
        url = f"{scheme}://hooks.example:{port}/"
        async with sender(seconds=0.2) as client:
            assert code(await client.post(url, {}, b"")) == "timeout"
            await asyncio.wait_for(left.wait(), 1)
        asked.clear()
        left.clear()
        async with sender() as client:
            task = asyncio.create_task(client.post(url, {}, b""))
            await asyncio.wait_for(asked.wait(), 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(left.wait(), 1)


# Many at once


async def test_hundreds_of_tries_at_once_do_not_wait_for_the_slow_ones() -> None:
    async with peer(says(OK)) as healthy, peer(hangs) as dead, sender(seconds=60) as client:
        slow = [asyncio.create_task(client.post(f"http://hooks.example:{dead.port}/", {}, b"")) for _ in range(100)]
        quick = [client.post(f"http://hooks.example:{healthy.port}/", {}, b"") for _ in range(200)]
        assert set(await asyncio.wait_for(asyncio.gather(*quick), 20)) == {Answered(200, None, b"ok")}
        assert (healthy.hits, dead.hits) == (200, 100)
        assert not any(task.done() for task in slow)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
