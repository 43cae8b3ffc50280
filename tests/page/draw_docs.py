"""Draws the pictures of docs anew: ``python -m tests.page.draw_docs``."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

from llmrack.observe.report.page import page
from tests.page.made_up import findings

DOCS = Path(__file__).parents[2] / "docs"
WIDTH = 1440


def draw(shown: Page, name: str, first: str, after: str) -> None:
    """The page from one element to another one."""
    boxes = [shown.locator(each).bounding_box() for each in (first, after)]
    top, bottom = (box["y"] for box in boxes if box)
    clip: FloatRect = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top}
    picture = Image.open(BytesIO(shown.screenshot(full_page=True, clip=clip)))
    picture.convert("RGB").quantize(256).save(DOCS / name, optimize=True)


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shown = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        shown.set_content(page(findings()))
        draw(shown, "report.png", "body", "#chains")
        draw(shown, "report-usage.png", "#usage", "#by-provider")


if __name__ == "__main__":
    main()
