"""The languages of the pages: nothing is left in English, and each reader gets the one wanted."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from markupsafe import Markup

from web.catalogs import extracted
from web.language import LANGUAGES, MESSAGES, catalog, language, wanted
from web.view.say import ENGLISH, Number, joined, localized, moment, say, say_n

OTHERS = [code for code in LANGUAGES if code != ENGLISH.code]
TEMPLATES = sorted((MESSAGES.parent / "templates").glob("*.html"))
KOREAN, FRENCH = language("ko"), language("fr")


def forms(texts: Any) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts or [""])


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_has_a_translation_with_the_same_values(code: str) -> None:
    translated = {message.id: message for message in catalog(code)}
    wrong = []
    for message in extracted():
        if not message.id:
            continue
        known = translated.get(message.id)
        said = forms(known.string) if known and not known.fuzzy else [""]
        names = set(re.findall(r"\{\w+\}", " ".join(forms(message.id))))
        if not all(said) or any(not names - {"{n}"} <= set(re.findall(r"\{\w+\}", text)) <= names for text in said):
            wrong.append(message.id)
    assert wrong == [], "run `python -m web.catalogs`, then translate these in web/messages"


@pytest.mark.parametrize(
    ("cookie", "accept", "code"),
    [
        pytest.param(None, "", "en", id="nothing said"),
        pytest.param(None, "ko-KR,ko;q=0.9,en-US;q=0.8", "ko", id="the browser's first"),
        pytest.param(None, "de, fr;q=0.5, en;q=0.7", "en", id="the heaviest that is known"),
        pytest.param(None, "fr;q=0, ko;q=x", "en", id="refused, and nonsense"),
        pytest.param("fr", "ko", "fr", id="the reader's own choice"),
        pytest.param("xx", "ko", "ko", id="a choice nobody offered"),
    ],
)
def test_the_language_of_a_reader(cookie: str | None, accept: str, code: str) -> None:
    assert wanted(cookie, accept) == code


def test_a_text_is_english_and_can_be_said_in_another_language() -> None:
    text = say("Signed in as {name}", name=Number("1\u202f234.5"))
    assert text == "Signed in as 1\u202f234.5"
    assert text.of(FRENCH) == "Connecté en tant que 1\u202f234,5"
    assert text.of(KOREAN) == "1,234.5(으)로 로그인함"
    assert Number("99.5\u202f%").of(KOREAN) == "99.5\u202f%"
    assert localized({"a": [say("Meters")], "b": 1}, FRENCH) == {"a": ["Compteurs"], "b": 1}
    assert joined(" · ", [say("Meters"), "x"]).of(KOREAN) == "계량기 · x"
    assert say_n("{n} sheep", "{n} sheep!", 2).of(FRENCH) == "2 sheep!"


def test_markup_in_a_text_stays_and_the_rest_is_escaped() -> None:
    said = say("Signed in as {name}", name=Markup("<b>ann</b>")).of(FRENCH)
    assert isinstance(said, Markup)
    assert said == "Connecté en tant que <b>ann</b>"


def test_moments_are_those_of_the_place() -> None:
    at = datetime(2026, 10, 5, 14, 3, 9, tzinfo=UTC)
    assert [moment(at, "date second").of(one) for one in (ENGLISH, KOREAN, FRENCH)] == [
        "2026-10-05 14:03:09",
        "2026. 10. 5. 14:03:09",
        "05/10/2026 14:03:09",
    ]
    assert moment(at.date(), "full date").of(FRENCH) == "lundi 5 octobre 2026"
    assert moment(at.date(), "month").of(KOREAN) == "2026년 10월"


def test_no_text_of_a_template_stays_out_of_the_catalogs() -> None:
    """What stands in no {{ _(…) }} would be English for everybody."""
    names = {"Powermon", "kW", "kVA", "kWh", "V", "A", "W", "%", "CSV", "Parquet"}
    left = []
    for path in TEMPLATES:
        text = path.read_text()
        text = re.sub(r"\{% block (?:kind|columns) %\}[^{]*\{% endblock %\}", "", text)
        text = re.sub(r"<(script|svg|code)\b.*?</\1>|\{#.*?#\}|\{%.*?%\}", "", text, flags=re.DOTALL)
        text = re.sub(r"\{\{.*?\}\}", "", text, flags=re.DOTALL)
        spoken = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', text) + re.sub(r"<[^>]*>", "\n", text).split("\n")
        words = (word for one in spoken for word in re.findall(r"[^\W\d_]+", one))
        left += [f"{path.name}: {word}" for word in words if word not in names]
    assert left == []


def test_no_language_shows_a_place_for_a_number_that_nobody_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = [("a.py", 1, "the last hour", [], None), ("b.py", 1, ("the last hour", "the last {n} hours"), [], None)]
    monkeypatch.setattr("web.catalogs.extract_from_dir", lambda *_: found)
    with pytest.raises(ValueError, match="the last hour"):
        extracted()
