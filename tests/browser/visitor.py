"""Somebody at the page: what one clicks, types and reads, and everything that the browser complains of."""

import re
from typing import Literal

from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, expect

PATIENCE = 45_000
TITLE = ".slack_blocks_to_jsx__header_heading"
expect.set_options(timeout=PATIENCE)


class Visitor:
    """One window of a size, in light or dark."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        size: tuple[int, int] = (1360, 850),
        scheme: Literal["light", "dark"] = "light",
    ) -> None:
        self.address = address
        self.problems: list[str] = []
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-GB"
        )
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.goto(address)
        expect(self.page.locator("h1")).to_be_visible()

    def leave(self) -> None:
        self._context.close()

    def be(self, name: str) -> None:
        """Act as somebody else."""
        self.page.locator(f'[data-person="{name}"]').click()
        expect(self.page.locator(f'[data-person="{name}"]')).to_have_attribute("aria-pressed", "true")

    def type(self, text: str) -> None:
        """Write in the channel and send."""
        field = self.page.locator(".room .composer textarea")
        field.fill(text)
        field.press("Enter")
        expect(field).to_have_value("")

    def let_it_be_written(self) -> None:
        """Take what the tour proposes, and send it."""
        field = self.page.locator(".room .composer textarea")
        self.page.get_by_role("button", name="Write it for me").click()
        expect(field).to_be_focused()
        self.page.keyboard.press("Enter")
        expect(field).to_have_value("")

    def card(self, operation: str) -> Locator:
        """The newest card of this operation."""
        title = self.page.locator(TITLE, has_text=re.compile(f"^{operation} #"))
        return self.page.locator(".room .message", has=title).last

    def open_thread(self, card: Locator) -> Locator:
        """Its thread, with the ballot below."""
        card.locator(".thread-bar").click()
        expect(self.page.locator(".thread .message").nth(2)).to_be_visible()
        return self.page.locator(".thread")

    def step(self, name: str) -> Locator:
        """A step of the tour, by its title."""
        return self.page.locator(".steps li", has=self.page.locator("b", has_text=re.compile(f"^{name}$")))

    def judged_by(self, judge: str) -> list[str]:
        """What axe-core finds wrong with the page as it is now, in words."""
        found = self.page.evaluate(
            f"async () => {{ {judge}; const {{ violations }} = await axe.run();"
            " return violations.map((one) => `${one.id}: ${one.nodes[0].html}`); }"
        )
        return [str(one) for one in found]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.problems.append(f"a request to {request.url}")
