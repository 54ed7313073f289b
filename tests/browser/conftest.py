"""A browser that is there already, the service as `pilotlight serve` runs it, and a place for pictures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.acceptance.processes import Installation, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome")
WARM = 120  # seconds until the first answer, with cold caches
PATIENCE = 30_000  # milliseconds for what the page does, also beside a worker that warms up


def _browser() -> str:
    named = os.environ.get("PILOTLIGHT_CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else NAMES)), None)
    if found is None:
        tried = f"{named} is no program" if named else f"none of {', '.join(NAMES)} is on the path"
        help_ = "install one (Debian: apt install chromium) or name it: PILOTLIGHT_CHROMIUM=/path/to/chromium"
        pytest.fail(f"No browser, {tried}: {help_}", pytrace=False)
    return found


@pytest.fixture
def page() -> Iterator[Page]:
    """A fresh window."""
    with sync_playwright() as playwright:
        # Without a sandbox it also runs as root, as in containers; it opens nothing but the service.
        browser = playwright.chromium.launch(executable_path=_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where the pictures go: PILOTLIGHT_PICTURES, else a temporary folder."""
    folder = Path(os.environ.get("PILOTLIGHT_PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """API and worker in one process on SQLite."""
    made = Installation(["app.cli serve"], f"sqlite:///{tmp_path / 'pilotlight.db'}", tmp_path, {})
    made.start_all()
    wait_until(made.ready, WARM)
    yield made
    made.stop()
