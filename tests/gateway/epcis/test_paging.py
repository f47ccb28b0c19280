"""Next-page tokens: bound to what was asked, expiring, given back, forged by nobody (EPCIS.md "Query")."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from node.gateway.epcis import paging
from node.gateway.epcis.paging import LIFE_S, Mark, Tokens, next_headers, per_page_of, question_of
from node.gateway.epcis.problems import EpcisError, Exceptional

ASKED = question_of("/epcis/events", [("EQ_bizStep", "shipping"), ("perPage", "2")])
MARK = Mark(41, "after this", 7, 30)


def refused(tokens: Tokens, token: str, asked: bytes = ASKED) -> bool:
    try:
        tokens.read(token, asked)
    except EpcisError as error:
        return error.exception is Exceptional.QUERY_PARAMETER
    return False


def test_a_token_leads_on_until_it_expires() -> None:
    now = [1_000_000.0]
    tokens = Tokens(lambda: now[0])
    token, expires_ms = tokens.issue(ASKED, MARK)
    assert expires_ms == (1_000_000 + LIFE_S) * 1_000
    assert tokens.read(token, ASKED) == MARK
    now[0] += LIFE_S - 1
    assert tokens.read(token, ASKED) == MARK
    now[0] += 1
    assert refused(tokens, token)


def test_it_is_for_one_question_whatever_the_size_of_the_page() -> None:
    tokens = Tokens()
    token, _ = tokens.issue(ASKED, MARK)
    same = question_of(
        "/epcis/events", [("perPage", "9"), ("nextPageToken", token), ("EQ_bizStep", "shipping")]
    )
    assert tokens.read(token, same) == MARK
    for path, parameters, more in (
        ("/epcis/epcs", [("EQ_bizStep", "shipping")], b""),
        ("/epcis/events", [("EQ_bizStep", "packing")], b""),
        ("/epcis/events", [("EQ_bizStep", "shipping"), ("orderBy", "eventTime")], b""),
        ("/epcis/events", [("EQ_bizStep", "shipping")], b"another"),
    ):
        assert refused(tokens, token, question_of(path, parameters, more))


def test_it_can_be_given_back_and_others_stay() -> None:
    tokens = Tokens()
    first, _ = tokens.issue(ASKED, MARK)
    second, _ = tokens.issue(ASKED, Mark(41, -5, 9, 60))
    tokens.give_back(first)
    tokens.give_back("nonsense")
    tokens.give_back("ä" * 5)
    assert refused(tokens, first)
    assert tokens.read(second, ASKED) == Mark(41, -5, 9, 60)


def test_when_more_were_given_back_than_are_remembered_all_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_GIVEN_BACK", 3)
    tokens = Tokens()
    gone = [tokens.issue(ASKED, Mark(place, None, 0, 0))[0] for place in range(5)]
    for token in gone:
        tokens.give_back(token)
    assert all(refused(tokens, token) for token in gone)


def test_nobody_else_makes_or_changes_one() -> None:
    tokens = Tokens()
    token, _ = tokens.issue(ASKED, MARK)
    assert refused(Tokens(), token)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        changed = token[:place] + other + token[place + 1 :]
        if place < len(token) - 1:  # the last character has bits that mean nothing
            assert refused(tokens, changed)
    for text in ("", "x", "=", "ß", "a" * 10_000, token[:10]):
        assert refused(tokens, text)


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("30", 30), ("0999999", 1_000), ("100000", 1_000)])
def test_the_size_of_a_page(text: str, count: int) -> None:
    assert per_page_of([("perPage", text)]) == count


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1.5", "²", "1" * 10, " 3"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(EpcisError, match="perPage: expected a number"):
        per_page_of([("perPage", text)])


def test_the_link_leads_to_the_same_question_at_the_same_address() -> None:
    request = Request(
        {
            "type": "http", "method": "GET", "path": "/epcis/epcs/urn%3Aepc%3A1/events", "scheme": "http",
            "server": ("gateway", 80), "headers": [], "query_string": b"",
        }
    )  # fmt: skip
    parameters = [("EQ_action", "ADD"), ("nextPageToken", "old"), ("perPage", "2")]
    headers = next_headers(request, parameters, "new", 1_700_000_000_000)
    assert headers == {
        "Link": '</epcis/epcs/urn%3Aepc%3A1/events?EQ_action=ADD&perPage=2&nextPageToken=new>; rel="next"',
        "GS1-Next-Page-Token-Expires": "2023-11-14T22:13:20.000Z",
    }
