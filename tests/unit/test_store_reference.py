"""docs/stores.md is what the keys and the translations say today."""

from __future__ import annotations

from tests.store_reference import PAGE, page


def test_the_page_is_as_generated_now():
    assert PAGE.read_text() == page(), "run `make docs`"
