"""One expression, two engines: Python and CEL judge alike."""

import re

from hypothesis import given
from hypothesis import strategies as st

from crds import devserver, fields
from crds.rules import Rule
from tests.structural import whole


def near(pattern: re.Pattern[str]) -> st.SearchStrategy[str]:
    """Strings that match, strings that nearly do, and any others."""
    matching = st.from_regex(pattern)
    spoiled = st.tuples(matching, st.sampled_from(["\n", "\x00", "\u202e", " ", "-", "Ä", ".", "/"]))
    return st.one_of(
        matching,
        spoiled.map("".join),
        spoiled.map(lambda pair: pair[1] + pair[0]),
        st.text(max_size=40),
    )


def cel_patterns(rule: Rule) -> list[re.Pattern[str]]:
    return [whole(text.replace("\\\\", "\\")) for text in re.findall(r"matches\('([^']*)'\)", rule.cel)]


@given(data=st.data())
def test_models_and_cel_agree_on_keys_of_maps(data: st.DataObject) -> None:
    rule = fields.keys_rule("no name")
    (pattern,) = cel_patterns(rule)
    key = data.draw(near(pattern))
    assert rule.holds is not None
    assert rule.holds({key: "x"}) is (pattern.match(key) is not None and len(key) <= 317)


@given(data=st.data())
def test_models_and_cel_agree_on_names_of_devservers(data: st.DataObject) -> None:
    _, characters, suffixes = devserver.DevServer.name_rules
    (allowed,), (reserved,) = cel_patterns(characters), cel_patterns(suffixes)
    plain = st.from_regex(allowed)
    suffixed = st.tuples(plain, st.sampled_from(["-ssh", "-sshd", "-home", "-hostkeys", "-x", "ssh"]))
    name = data.draw(st.one_of(near(allowed), suffixed.map("".join)))
    expected = allowed.match(name) is not None and reserved.search(name) is None and len(name) <= 52
    assert devserver.is_valid_name(name) is expected
