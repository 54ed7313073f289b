"""Swagger UI as a person uses it: a key, an operation, its fields, Execute, and what the page then shows."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

BROWSER_NOTES_REFUSAL = "Failed to load resource: the server responded with a status of"
BAD = 400
ON_THE_PAGE = {"blob", "data"}


class SwaggerUi:
    """The page at /docs, and what its browser asked for and complained about."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self._page, self._url, self._pictures = page, url, pictures
        self._taken = 0
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.refusals = self.shown_refusals = 0
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.text.startswith(BROWSER_NOTES_REFUSAL):
            self.refusals += 1
        elif message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    @property
    def strangers(self) -> list[str]:
        """The addresses of other places that the browser asked."""
        host = urlsplit(self._url).netloc
        parts = [(address, urlsplit(address)) for address in self.requested]
        return [address for address, part in parts if part.scheme not in ON_THE_PAGE and part.netloc != host]

    def open(self) -> None:
        """Load the page."""
        self._page.goto(f"{self._url}/docs")
        expect(self._page.locator(".opblock-tag").first).to_be_visible()

    def authorize(self, key: str) -> None:
        """Give the page a key."""
        self._page.locator(".auth-wrapper .authorize").click()
        dialogue = self._page.locator(".dialog-ux")
        dialogue.locator("input").fill(key)
        self.picture("authorize")
        dialogue.get_by_role("button", name="Apply credentials").click()
        dialogue.get_by_role("button", name="Close").click()

    def unfold(self, tag: str) -> list[str]:
        """Unfold a tag; method and address of its operations from top to bottom."""
        heading = self._page.locator(f'.opblock-tag[data-tag="{tag}"]')
        if heading.get_attribute("data-is-open") == "false":
            heading.click()
        shown = self._page.locator(".opblock-tag-section", has=heading).locator(".opblock-summary")
        expect(shown.first).to_be_visible()
        return [" ".join(one.inner_text().split()[:2]).replace("\u200b", "") for one in shown.all()]

    def operation(self, name: str) -> "Operation":
        """An operation by its stable name, unfolded."""
        block = self._page.locator(f'.opblock[id$="-{name}"]')
        block.scroll_into_view_if_needed()
        if block.locator(".opblock-body").count() == 0:
            block.locator(".opblock-summary-control").click()
        expect(block.locator(".execute")).to_be_visible()
        return Operation(self, block)

    def picture(self, name: str, of: Locator | None = None) -> None:
        """Take a picture of the window, or of one part of the page, to be looked at by a person."""
        self._taken += 1
        (of or self._page).screenshot(path=self._pictures / f"{self._taken:02}-{name}.png")


class Operation:
    """One unfolded operation, ready to be filled in."""

    def __init__(self, ui: SwaggerUi, block: Locator) -> None:
        self._ui, self._block = ui, block

    @property
    def body(self) -> Any:
        """The JSON in the field of the body: at first the example."""
        return json.loads(self._field_of_body.input_value())

    @property
    def _field_of_body(self) -> Locator:
        return self._block.locator("textarea.body-param__text")

    def edit(self, **fields: Any) -> "Operation":
        """Put other values into the example."""
        return self.write({**self.body, **fields})

    def write(self, body: Any) -> "Operation":
        """Put another body in the place of the example."""
        self._field_of_body.fill(json.dumps(body, indent=2))
        return self

    def type(self, **parameters: str) -> "Operation":
        """Type into the fields of parameters."""
        for name, value in parameters.items():
            self._parameter(name).locator("input").fill(value)
        return self

    def choose(self, **parameters: str) -> "Operation":
        """Choose from the lists of parameters."""
        for name, value in parameters.items():
            self._parameter(name).locator("select").select_option(value)
        return self

    def _parameter(self, name: str) -> Locator:
        return self._block.locator(f'tr[data-param-name="{name}"]')

    def attach(self, file: Path) -> "Operation":
        """Choose the file in the file chooser of the form."""
        with self._block.page.expect_file_chooser() as chooser:
            self._block.locator('tr[data-property-name="file"] input[type=file]').click()
        chooser.value.set_files(file)
        return self

    def picture(self, name: str) -> None:
        """Take a picture of the operation from its top."""
        self._block.locator(".opblock-summary").evaluate("summary => summary.scrollIntoView()")
        self._ui.picture(name)

    def execute(self) -> "Shown":
        """Press Execute; what is shown of the answer."""
        with self._block.page.expect_response(lambda response: "/v1/" in response.url):
            self._block.locator("button.execute").click()
        live = self._block.locator(".live-responses-table")
        expect(live).to_be_visible()
        expect(self._block.locator(".loading-container")).to_have_count(0)
        shown = Shown(self._ui, live)
        self._ui.shown_refusals += shown.status >= BAD
        return shown


class Shown:
    """The answer as it stands on the page."""

    def __init__(self, ui: SwaggerUi, live: Locator) -> None:
        self._ui, self._live = ui, live
        self.status = int(live.locator("tbody .response-col_status").first.inner_text().split()[0])

    def ok(self, status: int) -> Any:
        """The JSON of an answer that has to be of this status, read off the page."""
        text = self.text
        assert self.status == status, text
        return json.loads(text)

    @property
    def text(self) -> str:
        """What stands as the body of the answer."""
        body = self._live.locator('h5:text-is("Response body") + *')
        code = body.locator("pre")
        return (code if code.count() else body).first.inner_text()

    @property
    def image(self) -> Locator:
        """The picture that the page shows as the answer."""
        return self._live.locator(".response-col_description img")

    def picture(self, name: str) -> "Shown":
        """Take a picture of the operation as far as its answer."""
        self._live.scroll_into_view_if_needed()
        self._ui.picture(name)
        return self
