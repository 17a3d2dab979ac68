"""A window of Open WebUI in Chromium: what a user does there, and what they see."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from playwright.async_api import TimeoutError as TooLate

from tests.open_webui.browser.webui import OpenWebUI

CHROMIUM: Final = "/usr/bin/chromium"
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE: Final = 90_000
"""Milliseconds: Open WebUI and Chromium share the machine with us."""


class Window:
    def __init__(self, page: Page, webui: OpenWebUI) -> None:
        self.page, self._webui = page, webui

    async def go(self, path: str) -> None:
        await self.page.goto(f"{self._webui.url}{path}")

    async def new_chat(self, model: str) -> None:
        await self.go(f"/?models={model}")
        try:
            await self.page.wait_for_selector("#chat-input", timeout=PATIENCE / 3)
        except TooLate:  # now and then Open WebUI stays on its splash for ever
            await self.page.reload()
            await self.page.wait_for_selector("#chat-input")

    async def picture(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        await self.page.mouse.move(0, 0)
        await self.page.screenshot(path=path, animations="disabled", caret="hide")

    async def say(self, text: str) -> None:
        await self.page.click("#chat-input")
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")

    async def stop(self) -> None:
        await self.page.get_by_role("button", name="Stop", exact=True).click()

    async def regenerate(self) -> None:
        await self.page.get_by_role("button", name="Regenerate").last.click()
        await self.page.get_by_text("Try Again", exact=True).click()

    async def edit(self, after: str) -> None:
        """Puts the last question anew."""
        question = self.page.locator(".user-message").last
        await question.hover()
        await question.get_by_role("button", name="Edit").click()
        await question.locator("textarea").fill(after)
        await question.get_by_role("button", name="Send").click()

    async def sees(self, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator("#messages-container").get_by_text(text).last).to_be_visible(timeout=PATIENCE)

    async def sees_no(self, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator("#messages-container").get_by_text(text)).to_have_count(0, timeout=PATIENCE)

    async def sees_status(self, text: str) -> None:
        await expect(self.status).to_contain_text(text, timeout=PATIENCE)

    async def sees_the_end(self) -> None:
        """The answer is over once it can be given anew."""
        await expect(self.page.get_by_role("button", name="Regenerate").last).to_be_visible(timeout=PATIENCE)

    async def sees_dialog(self, text: str) -> None:
        await expect(self._dialog).to_contain_text(text, timeout=PATIENCE)

    async def sees_no_dialog(self) -> None:
        await expect(self._dialog).to_have_count(0)

    async def answer_dialog(self, button: str) -> None:
        await self._dialog.get_by_role("button", name=button, exact=True).click()

    @property
    def _dialog(self) -> Locator:
        """What Open WebUI asks in front of everything else."""
        return self.page.locator(".modal-content, [role=dialog]").filter(
            has=self.page.get_by_role("button", name="Confirm", exact=True)
        )

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("button", name="Toggle status history").last

    @property
    def chat(self) -> str:
        """The address of the saved chat."""
        return self.page.url

    async def saved(self) -> str:
        """Waits until the chat has an address of its own."""
        await self.page.wait_for_url(re.compile("/c/"), timeout=PATIENCE)
        return self.chat


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def open_window(
    browser: Browser, webui: OpenWebUI, *, wide: int = 1000, high: int = 800
) -> AsyncIterator[Window]:
    """A window that nobody used before, signed in as the admin."""
    async with await browser.new_context(viewport={"width": wide, "height": high}) as context:
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        await page.add_init_script(f"localStorage.token = '{webui.token}'; localStorage.locale = 'en-US'")
        # The news of a version cover everything at the first visit, some time after all else is there.
        news = page.get_by_role("button", name="Okay, Let's Go!")
        await page.add_locator_handler(news, lambda button: button.click())
        yield Window(page, webui)
