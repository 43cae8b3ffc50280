"""The report's page as people have it: in a browser, on a phone, by keyboard, in the dark."""

from __future__ import annotations

from itertools import pairwise

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.page.conftest import Open
from tests.page.pictures import difference

WIDTHS = (360, 768, 1440)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(opened: Open, width: int, scheme: str):
    page = opened(width, scheme)
    page.unfold()
    # The other rows of folded tables are as these, and looking at all costs seconds.
    page.page.evaluate(
        "for (const row of document.querySelectorAll('details tr:nth-child(n+4)')) row.remove()"
    )
    found = Axe().run(page.page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [320, 360, 1920])
def test_page_itself_does_not_scroll_sideways(opened: Open, width: int):
    page = opened(width)
    page.unfold()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_asks_nobody_for_anything(opened: Open):
    page = opened()
    page.unfold()
    page.page.wait_for_load_state("networkidle")
    assert page.asked == []


def test_page_is_whole_without_scripts(opened: Open):
    page = opened(scripts=False).page
    assert page.locator("script").count() == 0
    for text in ("Not all is well", "27,225", "fell back to the CPU", "14 of 15 checks proven"):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator("figure svg.data rect").count() > 100


def test_first_key_leads_past_the_links(opened: Open):
    page = opened().page
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the report")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert link.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_every_box_that_scrolls_is_reached_and_marked_by_keyboard(opened: Open):
    page = opened(360)
    page.unfold()
    boxes = page.page.locator(".scroll").count()
    reached = set()
    for _ in range(boxes + 20):
        page.page.keyboard.press("Tab")
        box, marked = page.page.evaluate(
            "[[...document.querySelectorAll('.scroll')].indexOf(document.activeElement),"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        if box >= 0:
            assert marked == "solid"
            reached.add(box)
    assert reached == set(range(boxes))


def test_headings_go_down_a_step_at_a_time(opened: Open):
    levels = opened().page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map(each => Number(each.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_drawing_of_numbers_says_them_in_words(opened: Open):
    page = opened().page
    said = [each.text_content() for each in page.locator("svg[role=img] > desc").all()]
    assert len(said) == 5 and all(said)
    assert any("Nov 21, 09:06" in text for text in said)


def test_printed_page_is_dark_on_white_with_its_tables_whole(opened: Open):
    # The width of A4, less its margins.
    page = opened(720, "dark").page
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".scroll").first.evaluate("e => getComputedStyle(e).overflowX") == "visible"
    assert not page.get_by_role("navigation").is_visible()


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (768, "light"), (1440, "light"), (1440, "dark")]
)
def test_page_looks_as_it_did(opened: Open, width: int, scheme: str):
    picture = opened(width, scheme, scripts=False).page.screenshot(full_page=True)
    assert difference(f"{width}-{scheme}", picture) == ""
