"""The rules of CAP 1.2 for a message, written independently: names, order, cardinality, text patterns."""

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


class ElementRule(NamedTuple):
    """An element: least and greatest number of occurrences (None: unbounded), and a pattern for its text."""

    name: str
    occurs_min: int
    occurs_max: int | None
    pattern: str = ""  #: empty: it contains elements


def one_of(*words: str) -> str:
    return "|".join(words)


NAME_AND_VALUE = [ElementRule("valueName", 1, 1, ANY), ElementRule("value", 1, 1, ANY)]

# The children of each element, in the required order.
ELEMENT_RULES: dict[str, list[ElementRule]] = {
    "alert": [
        ElementRule("identifier", 1, 1, NAME),
        ElementRule("sender", 1, 1, NAME),
        ElementRule("sent", 1, 1, TIME),
        ElementRule("status", 1, 1, one_of("Actual", "Exercise", "System", "Test", "Draft")),
        ElementRule("msgType", 1, 1, one_of("Alert", "Update", "Cancel", "Ack", "Error")),
        ElementRule("source", 0, 1, ANY),
        ElementRule("scope", 1, 1, one_of("Public", "Restricted", "Private")),
        ElementRule("restriction", 0, 1, ANY),
        ElementRule("addresses", 0, 1, ANY),
        ElementRule("code", 0, None, ANY),
        ElementRule("note", 0, 1, ANY),
        ElementRule("references", 0, 1, rf"{NAME},{NAME},{TIME}( {NAME},{NAME},{TIME})*"),
        ElementRule("incidents", 0, 1, ANY),
        ElementRule("info", 0, None),
    ],
    "info": [
        ElementRule("language", 0, 1, r"[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*"),
        ElementRule(
            "category",
            1,
            None,
            one_of("Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport")
            + "|Infra|CBRNE|Other",
        ),
        ElementRule("event", 1, 1, ANY),
        ElementRule(
            "responseType",
            0,
            None,
            one_of(
                "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"
            ),
        ),
        ElementRule("urgency", 1, 1, one_of("Immediate", "Expected", "Future", "Past", "Unknown")),
        ElementRule("severity", 1, 1, one_of("Extreme", "Severe", "Moderate", "Minor", "Unknown")),
        ElementRule("certainty", 1, 1, one_of("Observed", "Likely", "Possible", "Unlikely", "Unknown")),
        ElementRule("audience", 0, 1, ANY),
        ElementRule("eventCode", 0, None),
        ElementRule("effective", 0, 1, TIME),
        ElementRule("onset", 0, 1, TIME),
        ElementRule("expires", 0, 1, TIME),
        ElementRule("senderName", 0, 1, ANY),
        ElementRule("headline", 0, 1, ANY),
        ElementRule("description", 0, 1, ANY),
        ElementRule("instruction", 0, 1, ANY),
        ElementRule("web", 0, 1, r"https?://\S+"),
        ElementRule("contact", 0, 1, ANY),
        ElementRule("parameter", 0, None),
        ElementRule("resource", 0, None),
        ElementRule("area", 0, None),
    ],
    "area": [
        ElementRule("areaDesc", 1, 1, ANY),
        ElementRule("polygon", 0, None, rf"{PAIR}( {PAIR}){{3,}}"),
        ElementRule("circle", 0, None, rf"{PAIR} \d+(\.\d+)?"),
        ElementRule("geocode", 0, None),
        ElementRule("altitude", 0, 1, r"-?\d+(\.\d+)?"),
        ElementRule("ceiling", 0, 1, r"-?\d+(\.\d+)?"),
    ],
    "eventCode": NAME_AND_VALUE,
    "parameter": NAME_AND_VALUE,
    "geocode": NAME_AND_VALUE,
}


def read_cap(document: bytes) -> etree._Element:
    """Return the alert of a document; fail with every rule that it violates."""
    root = etree.fromstring(document)
    assert root.tag == f"{{{NAMESPACE}}}alert"
    assert list(_violations(root)) == []
    return root


def element_texts(element: etree._Element, path: str) -> list[str]:
    """Return the texts of the elements at a path, such as `info/area/polygon`."""
    steps = "/".join(f"{{{NAMESPACE}}}{one}" for one in path.split("/"))
    return [one.text or "" for one in element.findall(steps)]


def _violations(element: etree._Element) -> list[str]:
    name = etree.QName(element).localname
    rules = {rule.name: rule for rule in ELEMENT_RULES[name]}
    order = [rule.name for rule in ELEMENT_RULES[name]]
    children = [etree.QName(one).localname for one in element]
    found = [f"{name}: {one} is not known" for one in children if one not in rules]
    if not found and children != sorted(children, key=order.index):
        found.append(f"{name}: found the order {children}")
    counts = Counter(children)
    for rule in rules.values():
        if not rule.occurs_min <= counts[rule.name] <= (rule.occurs_max or counts[rule.name]):
            found.append(f"{name}: {counts[rule.name]} times {rule.name}")
    for child in element:
        known = rules.get(etree.QName(child).localname)
        if known is not None and known.pattern and not re.fullmatch(known.pattern, child.text or ""):
            found.append(f"{name}/{known.name}: found {child.text!r}")
        if known is not None and not known.pattern:
            found += _violations(child)
    for polygon in element_texts(element, "polygon"):
        pairs = polygon.split(" ")
        if pairs[0] != pairs[-1]:
            found.append(f"polygon is not closed: {polygon}")
    return found
