"""A download is whole or it is not there."""

import base64
import hashlib
from pathlib import Path

import pytest

from app.client import Damaged, NotFound, Pilotlight
from tests.app.client.double import Scripted, a_double, answer_of

CONTENT = bytes(range(256)) * 600


def digest_of(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


WHOLE = answer_of(200, CONTENT, repr_digest=digest_of(CONTENT))
CUT = WHOLE[:-1000]
OTHER = answer_of(200, CONTENT[::-1], repr_digest=digest_of(CONTENT))


def download(to: Path | None, *script: Scripted) -> Path:
    with a_double(*script) as double, Pilotlight(double.url, "pl_key", sleep=lambda _: None) as service:
        return service.connection.download("/v1/x", to or Path("x"))


def test_it_is_streamed_to_a_file_and_its_hash_fits(tmp_path: Path) -> None:
    to = download(tmp_path / "draws.parquet", WHOLE)
    assert to.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["draws.parquet"]


def test_a_cut_one_is_tried_again(tmp_path: Path) -> None:
    assert download(tmp_path / "x", CUT, None, CUT, WHOLE).read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [([CUT] * 5, "cut off, tried 5 times"), ([OTHER], "does not fit the hash")],
    ids=["cut", "changed"],
)
def test_what_is_not_whole_is_not_written(tmp_path: Path, script: list[Scripted], words: str) -> None:
    with pytest.raises(Damaged, match=words):
        download(tmp_path / "new", *script)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_bytes(b"of yesterday")
    with pytest.raises(Damaged, match=words):
        download(tmp_path / "old", *script)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("old", b"of yesterday")]


def test_a_refusal_leaves_no_file(tmp_path: Path) -> None:
    refusal = answer_of(404, b'{"detail": "the draws were not kept", "code": "no_draws"}')
    with pytest.raises(NotFound, match="the draws were not kept"):
        download(tmp_path / "x", refusal)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_unpacked_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="DecodingError"):
        download(tmp_path / "x", answer_of(200, b"no gzip", content_encoding="gzip"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("told", ["sha-256=:not base64!:", "md5=:AAAA:", "sha-256=:AAA:", ""])
def test_a_digest_that_says_nothing_is_passed_over(tmp_path: Path, told: str) -> None:
    assert download(tmp_path / "x", answer_of(200, CONTENT, repr_digest=told)).read_bytes() == CONTENT


def test_bytes_in_memory_are_checked_too() -> None:
    with (
        a_double(OTHER) as double,
        Pilotlight(double.url, "pl_key") as service,
        pytest.raises(Damaged, match="does not fit the hash"),
    ):
        service.connection.content("/v1/x")
