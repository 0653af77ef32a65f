"""Messages about anomalies in words. Pure."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from web.view import anomaly
from web.view.say import Language, Text, joined, moment, say, say_n

SAMPLES = 20
"""Groups that a summary's text lists."""

Document = dict[str, Any]


def words(document: Document, zone: ZoneInfo, language: Language) -> tuple[str, str]:
    """Subject and text of a document of streams/core/notices/document.py."""
    if document["transition"] == "test":
        lines = [say("If you can read this, messages about anomalies arrive here.")]
    elif document["transition"] == "summary":
        lines = _summary(document, zone)
    else:
        lines = _lines(document, zone)
    about = subject(document, zone).of(language)
    said = [line.of(language) for line in lines]
    return f"Powermon: {about}", "\n".join([about, "", *said]) + "\n"


def subject(document: Document, zone: ZoneInfo) -> Text:
    """What a message is about, in one line."""
    if document["transition"] == "test":
        return say("A test message")
    if document["transition"] != "summary":
        return headline(document, zone)
    counts, since = document["groups"], _at(document["since"], zone)
    return say_n("{n} event since {since}, {open} of them going on", "{n} events since {since}, {open} of them going on", counts["total"], since=since, open=counts["open"])  # fmt: skip  # noqa: E501


def headline(group: Document, zone: ZoneInfo) -> Text:
    """One line: what, how many, since when or how long."""
    what = anomaly.RULES.get(group["rule"], Text(group["rule"]))
    total = group["sources"]["total"]
    named = group["sources"]["named"]
    who = Text(named[0]) if total == 1 and named else say_n("{n} sensor", "{n} sensors", total)
    begin = _at(group["start"], zone)
    if group["transition"] == "partly":
        left, over = group["sources"]["open"], total - group["sources"]["open"]
        return say("{what}: over at {over} of {total} sensors, goes on at {left}", what=what, over=over, total=total, left=left)
    if group["transition"] == "withdrawn":
        return say("{what}, {who}, {begin}: it was none, as data that came later shows", what=what, who=who, begin=begin)
    if group["end"] is None:
        return say("{what}: {who}, since {begin}", what=what, who=who, begin=begin)
    end = _at(group["end"], zone)
    if group["transition"] == "ended":
        return say("Over: {what}, {who}, {begin} to {end}", what=what, who=who, begin=begin, end=end)
    return say("{what}: {who}, {begin} to {end}", what=what, who=who, begin=begin, end=end)


def _lines(group: Document, zone: ZoneInfo) -> list[Text]:
    place = group["site_name"] or group["site"]
    worst, named, total = group["worst"], group["sources"]["named"], group["sources"]["total"]
    counted = group["sources"]["open"] if group["anomalies"]["open"] else total
    row = {"unit": worst["unit"]}
    more = counted - len(named)
    names: list[str] = [", ".join(named)]
    if more > 0:
        names.append(say_n("and {n} more", "and {n} more", more))
    found = [
        *([say("Site: {place}", place=place)] if place else []),
        *([say("Owner: {owner}", owner=group["owner"])] if group["owner"] else []),
        say("Sensors: {names}", names=joined(" ", names)),
        say("Severity: {severity}", severity=anomaly.SEVERITIES.get(group["severity"], Text(group["severity"]))),
    ]
    if (
        group["transition"] != "withdrawn" and group["rule"] != "silence" and worst["value"]
    ):  # of a silence, its length stands above
        value, limit = anomaly.value(row, worst["value"]), anomaly.value(row, worst["limit"])
        found.append(say("Worst: {value} at {source}; the limit is {limit}", value=value, source=worst["source"], limit=limit))
    if group["anomalies"]["withdrawn"]:
        n = group["anomalies"]["withdrawn"]
        found.append(
            say_n(
                "{n} of them was none, as data that came later shows.", "{n} of them were none, as data that came later shows.", n
            )
        )
    return [*found, say("Times: {zone}", zone=str(zone))]


def _summary(document: Document, zone: ZoneInfo) -> list[Text]:
    listed = document["listed"][:SAMPLES]
    lines: list[Text] = [joined("", ["· ", headline(one, zone)]) for one in listed]
    if (more := document["groups"]["total"] - len(listed)) > 0:
        lines.append(say_n("and {n} more", "and {n} more", more))
    late = sum(document["late"].values())
    if late:
        lines.append(
            say_n("{n} anomaly became known too late to be told.", "{n} anomalies became known too late to be told.", late)
        )
    return [*lines, say("Times: {zone}", zone=str(zone))]


def _at(text: str, zone: ZoneInfo) -> Text:
    return moment(datetime.fromisoformat(text).astimezone(zone), "date second")
