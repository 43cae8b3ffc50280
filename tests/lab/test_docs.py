"""Every command in README and docs runs as it stands there (make's are what CI runs).

Those of long pages: test_docs_long.py; those that need a cluster: tests/kube/test_docs.py.
"""

from __future__ import annotations

import re

import pytest

from tests import ROOT
from tests.lab.docs_pages import IN_CLUSTER, LONG, PAGES, Clone, commands

HERE = [page for page in PAGES if commands(page) and page not in (*LONG, IN_CLUSTER)]


@pytest.mark.parametrize("page", HERE)
def test_commands_of_the_page_run(clone: Clone, page: str) -> None:
    for command in commands(page):
        clone.run(command)


def test_curl_line_works_as_pasted(clone: Clone) -> None:
    assert '"content":"' in clone.run(clone.run("llmrack curl"))


@pytest.mark.parametrize("page", PAGES)
def test_links_of_the_page_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target
