"""A page runs its own script and nothing else, fetches nothing, and takes text for text."""

import base64
import hashlib
import json

from hostile import EVIL, Page, is_inert

from meanfield.pages.page import data_block, image, page, table


def test_the_policy_names_the_style_and_the_script_that_stand_in_the_page():
    text = page("title", "<p>body</p>", "let x = 1 < 2;")
    found = Page(text)
    style = text.partition("<style>")[2].partition("</style>")[0]
    for kind, content in (("style", style), ("script", found.scripts[(None, None)])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in found.policy
    assert "script-src" not in Page(page("title", "")).policy


def test_text_is_never_markup():
    text = page(EVIL, table({EVIL: EVIL}) + image(b"png", EVIL, EVIL) + data_block({EVIL: [EVIL]}, "data"), "run();")
    found = is_inert(text)
    assert found.words.count(EVIL) == 4
    assert json.loads(found.scripts[("application/json", "data")]) == {EVIL: [EVIL]}
    assert found.tags.count("img") == 1
    assert found.tags.count("script") == 2


def test_line_separators_of_a_text_stay_inside_its_block():
    block = data_block(["\u2028 & <!--"], "d")
    assert all(letter not in block[30:-9] for letter in "\u2028&<")
    assert json.loads(Page(block).scripts[("application/json", "d")]) == ["\u2028 & <!--"]


def test_light_and_dark_and_narrow():
    text = page("title", "")
    assert "prefers-color-scheme: dark" in text
    # Pictures on white paper are turned over there, so that more density is lighter in them as in a viewer.
    assert "figure img { filter: invert(" in text.partition("prefers-color-scheme: dark")[2]
    assert ".cells td:first-child { white-space: nowrap; }" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_a_picture_of_several_panels_scrolls_where_its_letters_would_be_too_small():
    def png(width, height):
        return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")

    assert '<div class="wide broad"><img' in image(png(1890, 540), "", "")
    assert "broad" not in image(png(900, 630), "", "")
    assert ".broad img { max-width: none;" in page("title", "")
