"""What a stranger's archive may do to who reads it: nothing leads out of it, nothing unpacks to more than it says."""

import zipfile
from pathlib import Path

import pytest

from analysis.package import MANIFEST, README
from analysis.verify import Verdict, verify


def zipped(files: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../result.json", "/etc/passwd", "plots/../../x.svg", "plots\\..\\x.svg", "extra.txt"]
)
def test_no_name_leads_out_of_the_package(tmp_path: Path, name: str) -> None:
    report = verify(zipped({MANIFEST: b"{}", name: b"x"}, tmp_path / "slip.zip"))
    assert report.verdict is Verdict.DAMAGED
    assert "which no evidence package does" in str(report)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("draws.nc", bytes(50 << 20))
    report = verify(tmp_path / "bomb.zip")
    assert (report.verdict, "unpack" in str(report)) == (Verdict.DAMAGED, True)


@pytest.mark.parametrize(
    "files",
    [{}, {MANIFEST: b"{}"}, {MANIFEST: b"[]"}, {MANIFEST: b"{"}, {MANIFEST: b'{"format": "other"}', README: b""}],
)
def test_what_is_no_package(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert verify(zipped(files, tmp_path / "no.zip")).verdict is Verdict.DAMAGED
