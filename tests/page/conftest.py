"""A browser without a window, and the report's page in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from llmrack.observe.report.page import page
from tests.page.made_up import findings

HERE = "http://report.test/"


# Not for the session: Playwright has an event loop, and no other can run beside it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the system; nothing is downloaded."""
    program = shutil.which("chromium")
    if not program:
        pytest.fail("there is no chromium: install it with `apt-get install chromium`")
    with sync_playwright() as playwright:
        # Root has no sandbox in Chromium.
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


class Opened:
    """The page as a reader has it, and what else it asked for."""

    def __init__(self, its: Page, html: str) -> None:
        self.page = its
        self.asked: list[str] = []

        def answer(route: Route) -> None:
            if route.request.url == HERE:
                route.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                self.asked.append(route.request.url)
                route.abort()

        its.context.route("**/*", answer)
        its.goto(HERE)

    def unfold(self) -> None:
        """Open everything that is folded."""
        self.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = 1")


Open = Callable[..., Opened]
Scheme = Literal["light", "dark"]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open the page of the made-up day: at a width in pixels, in light or dark."""
    contexts = []

    def open_(
        width: int = 1440, scheme: Scheme = "light", scripts: bool = True, **more: Any
    ) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=scripts,
            **more,
        )
        contexts.append(context)
        return Opened(context.new_page(), page(findings()))

    yield open_
    for context in contexts:
        context.close()
