"""Every command in the long pages of the docs runs as it stands there."""

from __future__ import annotations

import pytest

from tests.lab.docs_pages import LONG, Clone, commands


@pytest.mark.parametrize("page", LONG)
def test_commands_of_the_page_run(clone: Clone, page: str) -> None:
    for command in commands(page):
        clone.run(command)
