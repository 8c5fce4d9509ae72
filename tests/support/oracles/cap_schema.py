"""What CAP 1.2 demands of a message, stated anew: names, order, how often, and what a text may be."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from lxml import etree

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d"
NAME = r"[^\s,<&]+"
PAIR = r"-?\d{1,2}(\.\d+)?,-?\d{1,3}(\.\d+)?"
ANY = r"(?s).+"


class Rule(NamedTuple):
    """An element: how often at least, at most (None: any number), and what its text is."""

    name: str
    least: int
    most: int | None
    text: str = ""  #: empty: it holds elements


def one_of(*words: str) -> str:
    return "|".join(words)


NAMED = [Rule("valueName", 1, 1, ANY), Rule("value", 1, 1, ANY)]

# Each element's children, in the order that they must have.
RULES: dict[str, list[Rule]] = {
    "alert": [
        Rule("identifier", 1, 1, NAME),
        Rule("sender", 1, 1, NAME),
        Rule("sent", 1, 1, TIME),
        Rule("status", 1, 1, one_of("Actual", "Exercise", "System", "Test", "Draft")),
        Rule("msgType", 1, 1, one_of("Alert", "Update", "Cancel", "Ack", "Error")),
        Rule("source", 0, 1, ANY),
        Rule("scope", 1, 1, one_of("Public", "Restricted", "Private")),
        Rule("restriction", 0, 1, ANY),
        Rule("addresses", 0, 1, ANY),
        Rule("code", 0, None, ANY),
        Rule("note", 0, 1, ANY),
        Rule("references", 0, 1, rf"{NAME},{NAME},{TIME}( {NAME},{NAME},{TIME})*"),
        Rule("incidents", 0, 1, ANY),
        Rule("info", 0, None),
    ],
    "info": [
        Rule("language", 0, 1, r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*"),
        Rule(
            "category",
            1,
            None,
            one_of("Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport")
            + "|Infra|CBRNE|Other",
        ),
        Rule("event", 1, 1, ANY),
        Rule(
            "responseType",
            0,
            None,
            one_of(
                "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"
            ),
        ),
        Rule("urgency", 1, 1, one_of("Immediate", "Expected", "Future", "Past", "Unknown")),
        Rule("severity", 1, 1, one_of("Extreme", "Severe", "Moderate", "Minor", "Unknown")),
        Rule("certainty", 1, 1, one_of("Observed", "Likely", "Possible", "Unlikely", "Unknown")),
        Rule("audience", 0, 1, ANY),
        Rule("eventCode", 0, None),
        Rule("effective", 0, 1, TIME),
        Rule("onset", 0, 1, TIME),
        Rule("expires", 0, 1, TIME),
        Rule("senderName", 0, 1, ANY),
        Rule("headline", 0, 1, ANY),
        Rule("description", 0, 1, ANY),
        Rule("instruction", 0, 1, ANY),
        Rule("web", 0, 1, r"https?://\S+"),
        Rule("contact", 0, 1, ANY),
        Rule("parameter", 0, None),
        Rule("resource", 0, None),
        Rule("area", 0, None),
    ],
    "area": [
        Rule("areaDesc", 1, 1, ANY),
        Rule("polygon", 0, None, rf"{PAIR}( {PAIR}){{3,}}"),
        Rule("circle", 0, None, rf"{PAIR} \d+(\.\d+)?"),
        Rule("geocode", 0, None),
        Rule("altitude", 0, 1, r"-?\d+(\.\d+)?"),
        Rule("ceiling", 0, 1, r"-?\d+(\.\d+)?"),
    ],
    "eventCode": NAMED,
    "parameter": NAMED,
    "geocode": NAMED,
}


def read_cap(document: bytes) -> etree._Element:
    """Return the alert in a document; fail with every rule that it breaks."""
    root = etree.fromstring(document)
    assert root.tag == f"{{{NAMESPACE}}}alert"
    assert list(_broken(root)) == []
    return root


def texts(element: etree._Element, path: str) -> list[str]:
    """Return the texts of the elements at a path, such as `info/area/polygon`."""
    steps = "/".join(f"{{{NAMESPACE}}}{one}" for one in path.split("/"))
    return [one.text or "" for one in element.findall(steps)]


def _broken(element: etree._Element) -> list[str]:
    name = etree.QName(element).localname
    rules = {rule.name: rule for rule in RULES[name]}
    order = [rule.name for rule in RULES[name]]
    children = [etree.QName(one).localname for one in element]
    found = [f"{name}: {one} is not known" for one in children if one not in rules]
    if not found and children != sorted(children, key=order.index):
        found.append(f"{name}: found the order {children}")
    counts = Counter(children)
    for rule in rules.values():
        if not rule.least <= counts[rule.name] <= (rule.most or counts[rule.name]):
            found.append(f"{name}: {counts[rule.name]} times {rule.name}")
    for one in element:
        rule = rules.get(etree.QName(one).localname)
        if rule is not None and rule.text and not re.fullmatch(rule.text, one.text or ""):
            found.append(f"{name}/{rule.name}: found {one.text!r}")
        if rule is not None and not rule.text:
            found += _broken(one)
    for polygon in texts(element, "polygon"):
        pairs = polygon.split(" ")
        if pairs[0] != pairs[-1]:
            found.append(f"polygon is not closed: {polygon}")
    return found
