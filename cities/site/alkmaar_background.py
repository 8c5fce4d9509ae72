"""Draws cities/alkmaar/background.geojson: `python -m cities.site.alkmaar_background`.

A sketch of our own, from general knowledge of the city and on the coordinates of its entities.yaml: accurate
to some hundreds of metres, so that somebody who knows Alkmaar sees where they are. Blocks of houses and
ditches are drawn by rule, not from a register; a city that has the data of the Kadaster uses those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import cos, hypot, radians, sin
from random import Random
from typing import Any, NamedTuple, TypeAlias

from cities import default_city
from cities.folder_reader import read_city
from twin.model.site import BACKGROUND_FILE

Position: TypeAlias = tuple[float, float]
Line: TypeAlias = list[Position]

# Metres in a degree at 52.6 degrees north.
_EAST_M, _NORTH_M = 67_700.0, 111_260.0
_DECIMALS = 5  # a metre
_DITCHES_M = 240.0

# Entities that are drawn as they are, each with what it continues into outside the city.
_NORTHWARD: dict[str, Line] = {
    "noordhollandsch-kanaal": [(4.7200, 52.6900), (4.7170, 52.7050)],
    "singel": [(4.7578, 52.6303)],
    "kanaal-alkmaar-kolhorn": [(4.7880, 52.6930), (4.7900, 52.7050)],
    "n9": [(4.7165, 52.6930), (4.7110, 52.7050)],
    "n242": [(4.7960, 52.6760), (4.8060, 52.6900), (4.8120, 52.7050)],
    "n245": [(4.7640, 52.6930), (4.7655, 52.7050)],
}
_SOUTHWARD: dict[str, Line] = {
    "hoornse-vaart": [(4.7548, 52.6338), (4.7570, 52.6336)],
    "kanaal-alkmaar-kolhorn": [(4.7515, 52.6374), (4.7535, 52.6385)],
    "noordhollandsch-kanaal": [(4.8420, 52.5395), (4.8150, 52.5440), (4.7985, 52.5520)],
    "a9": [(4.7240, 52.5250), (4.7265, 52.5450), (4.7350, 52.5640), (4.7440, 52.5820)],
}

CANALS: dict[str, Line] = {
    "Oudegracht": [
        (4.7420, 52.6312),
        (4.7440, 52.6303),
        (4.7475, 52.6297),
        (4.7510, 52.6296),
        (4.7575, 52.6306),
    ],
    "Mient": [(4.7502, 52.6313), (4.7500, 52.6325), (4.7504, 52.6340)],
    "Voordam": [(4.7502, 52.6313), (4.7512, 52.6319), (4.7522, 52.6322)],
    "Verdronkenoord": [(4.7502, 52.6313), (4.7525, 52.6311), (4.7569, 52.6313)],
    "Luttik Oudorp": [(4.7522, 52.6322), (4.7540, 52.6324), (4.7562, 52.6328)],
    "Zijdam": [(4.7504, 52.6340), (4.7520, 52.6352), (4.7530, 52.6368)],
    "Kanaal Omval": [(4.7600, 52.6245), (4.7660, 52.6225), (4.7790, 52.5960)],
    "Hoevervaart": [(4.7130, 52.6160), (4.7210, 52.6120), (4.7420, 52.6035)],
    "Knollendammervaart": [(4.8150, 52.5440), (4.8110, 52.5330), (4.8140, 52.5200)],
    "Ringvaart van de Beemster": [
        *[(4.8990, 52.6150), (4.9080, 52.5990), (4.9060, 52.5790), (4.8920, 52.5640), (4.8650, 52.5520)],
        *[(4.8420, 52.5395), (4.8500, 52.5220)],
    ],
}
WATERS: dict[str, Line] = {
    "Alkmaardermeer": [
        *[(4.7395, 52.5610), (4.7480, 52.5598), (4.7555, 52.5560), (4.7640, 52.5545), (4.7690, 52.5490)],
        *[(4.7660, 52.5420), (4.7665, 52.5350), (4.7600, 52.5285), (4.7510, 52.5255), (4.7425, 52.5275)],
        *[(4.7370, 52.5340), (4.7315, 52.5395), (4.7310, 52.5470), (4.7345, 52.5540), (4.7395, 52.5610)],
    ],
    "Zomerdel": [
        (4.7640, 52.6895),
        (4.7760, 52.6880),
        (4.7815, 52.6935),
        (4.7770, 52.6985),
        (4.7660, 52.6965),
    ],
    "Zegersloot": [
        (4.7868, 52.6440),
        (4.7905, 52.6452),
        (4.7912, 52.6498),
        (4.7880, 52.6520),
        (4.7865, 52.6480),
    ],
    "Kleimeer": [(4.7400, 52.6890), (4.7450, 52.6885), (4.7465, 52.6915), (4.7415, 52.6925)],
    "De Hoornse Plas": [(4.7795, 52.6570), (4.7835, 52.6575), (4.7830, 52.6600), (4.7800, 52.6602)],
}
GREENS: dict[str, Line] = {
    "Alkmaarder Hout": [
        *[(4.7412, 52.6245), (4.7455, 52.6240), (4.7470, 52.6205), (4.7462, 52.6172), (4.7430, 52.6175)],
        *[(4.7405, 52.6205)],
    ],
    "Rekerhout": [
        (4.7195, 52.6478),
        (4.7255, 52.6490),
        (4.7268, 52.6450),
        (4.7215, 52.6425),
        (4.7185, 52.6445),
    ],
    "Park Oosterhout": [
        *[(4.7520, 52.6215), (4.7575, 52.6240), (4.7605, 52.6210), (4.7590, 52.6165), (4.7545, 52.6150)],
    ],
    "Bolwerk": [
        (4.7402, 52.6322),
        (4.7412, 52.6322),
        (4.7422, 52.6292),
        (4.7482, 52.6272),
        (4.7478, 52.6265),
        (4.7408, 52.6286),
    ],
    "Geestmerambacht": [
        *[(4.7440, 52.6870), (4.7600, 52.6850), (4.7850, 52.6858), (4.7885, 52.6990), (4.7600, 52.7040)],
        *[(4.7430, 52.6960)],
    ],
    "De Druppels": [(4.7275, 52.6562), (4.7340, 52.6555), (4.7350, 52.6595), (4.7285, 52.6600)],
    "Oudorperpolder": [(4.7800, 52.6430), (4.7860, 52.6440), (4.7862, 52.6540), (4.7780, 52.6520)],
    "Heilooerbos": [(4.6980, 52.6080), (4.7075, 52.6060), (4.7080, 52.5980), (4.6960, 52.5985)],
    "Bergerbos": [(4.6830, 52.6720), (4.6960, 52.6760), (4.6965, 52.6640), (4.6840, 52.6610)],
    "Egmondermeer": [(4.6830, 52.6080), (4.7080, 52.6105), (4.7090, 52.6240), (4.6900, 52.6260)],
}
DUNES: Line = [
    *[(4.6250, 52.5200), (4.6560, 52.5200), (4.6590, 52.5450), (4.6640, 52.5700), (4.6600, 52.5950)],
    *[(4.6650, 52.6150), (4.6720, 52.6350), (4.6800, 52.6550), (4.6790, 52.6800), (4.6830, 52.7050)],
    *[(4.6430, 52.7050), (4.6330, 52.6500), (4.6250, 52.5900)],
]
SEA: Line = [
    (4.5600, 52.5200),
    (4.6130, 52.5200),
    (4.6190, 52.5900),
    (4.6270, 52.6500),
    (4.6370, 52.7050),
    (4.5600, 52.7050),
]
ROADS: dict[str, tuple[str, Line]] = {
    "N243 Noordervaart": (
        "main",
        [
            (4.7862, 52.6345),
            (4.7980, 52.6215),
            (4.8200, 52.6128),
            (4.8450, 52.6112),
            (4.8700, 52.6100),
            (4.9100, 52.6165),
        ],
    ),
    "N244": (
        "main",
        [
            (4.7480, 52.6000),
            (4.7600, 52.5960),
            (4.7900, 52.5880),
            (4.8350, 52.5785),
            (4.8600, 52.5560),
            (4.9000, 52.5420),
        ],
    ),
    "N508 Huygendijk": (
        "main",
        [(4.7862, 52.6420), (4.8000, 52.6440), (4.8220, 52.6500), (4.8480, 52.6490), (4.8720, 52.6400)],
    ),
    "N512 Egmonderstraatweg": (
        "main",
        [(4.7412, 52.6262), (4.7240, 52.6258), (4.6980, 52.6235), (4.6600, 52.6170)],
    ),
    "N510 Bergerweg": ("main", [(4.7385, 52.6355), (4.7240, 52.6420), (4.7130, 52.6540), (4.7010, 52.6660)]),
    "N504": ("main", [(4.7220, 52.6860), (4.7480, 52.6840), (4.7620, 52.6835), (4.7900, 52.6870)]),
    "Zuidervaart": ("street", [(4.7985, 52.6010), (4.8280, 52.5965), (4.8540, 52.5960), (4.8850, 52.6010)]),
    "Zeswielen": ("street", [(4.7560, 52.6480), (4.7640, 52.6420), (4.7710, 52.6390), (4.7862, 52.6390)]),
    "Wognumsebuurt": ("street", [(4.7535, 52.6372), (4.7585, 52.6395), (4.7640, 52.6420)]),
    "Kanaalkade": (
        "street",
        [(4.7412, 52.6352), (4.7460, 52.6372), (4.7505, 52.6372), (4.7535, 52.6365), (4.7575, 52.6335)],
    ),
    "Geestersingel": (
        "street",
        [(4.7385, 52.6355), (4.7412, 52.6352), (4.7398, 52.6325), (4.7412, 52.6262), (4.7455, 52.6260)],
    ),
    "Langestraat": ("street", [(4.7442, 52.6322), (4.7470, 52.6318), (4.7502, 52.6311)]),
    "Laat": ("street", [(4.7430, 52.6311), (4.7470, 52.6305), (4.7515, 52.6304), (4.7545, 52.6308)]),
    "Vondelstraat": ("street", [(4.7455, 52.6260), (4.7570, 52.6245), (4.7660, 52.6270), (4.7840, 52.6285)]),
    "Kooimeerlaan": ("street", [(4.7440, 52.6060), (4.7570, 52.6065)]),
    "Hertog Aalbrechtweg": ("street", [(4.7250, 52.6580), (4.7400, 52.6575), (4.7575, 52.6580)]),
    "Kanaaldijk": ("street", [(4.7420, 52.6460), (4.7368, 52.6570), (4.7305, 52.6690), (4.7230, 52.6820)]),
    "Rijperweg": ("street", [(4.8350, 52.5785), (4.8560, 52.5650), (4.8560, 52.5560)]),
    "Oterlekerweg": ("street", [(4.8200, 52.6128), (4.8160, 52.6230), (4.8100, 52.6330), (4.8090, 52.6440)]),
    "Jan Boonplein": ("street", [(4.8680, 52.6100), (4.8660, 52.5980), (4.8640, 52.5860)]),
}
RAIL: dict[str, Line] = {
    "Heiloo–Heerhugowaard": [
        *[(4.7010, 52.5400), (4.7035, 52.5700), (4.7055, 52.5900), (4.7110, 52.6030), (4.7220, 52.6160)],
        *[(4.7310, 52.6260), (4.7365, 52.6330), (4.7397, 52.6378), (4.7435, 52.6412), (4.7500, 52.6437)],
        *[(4.7640, 52.6437), (4.7800, 52.6480), (4.8000, 52.6570), (4.8230, 52.6697), (4.8300, 52.6850)],
        (4.8310, 52.7050),
    ],
}
TOWNS: dict[str, tuple[Position, float, float]] = {
    "Heiloo": ((4.7060, 52.5960), 1500, 2100),
    "Bergen": ((4.6985, 52.6690), 1000, 900),
    "Egmond aan den Hoef": ((4.6560, 52.6215), 600, 500),
    "Heerhugowaard": ((4.8330, 52.6680), 2300, 2000),
    "Sint Pancras": ((4.7870, 52.6630), 500, 900),
    "Broek op Langedijk": ((4.8040, 52.6760), 800, 900),
    "Akersloot": ((4.7330, 52.5640), 600, 500),
    "Limmen": ((4.6960, 52.5700), 600, 900),
    "Uitgeest": ((4.7130, 52.5290), 900, 700),
}
"""Places around the city: the middle, and the half axes in metres."""

VILLAGES: dict[str, tuple[Position, float, float]] = {
    "Stompetoren": ((4.8180, 52.6128), 750, 260),
    "Oterleek": ((4.8098, 52.6350), 330, 200),
    "Schermerhorn": ((4.8820, 52.6105), 480, 280),
    "Zuidschermer": ((4.7940, 52.5965), 420, 150),
    "Driehuizen": ((4.8060, 52.5830), 300, 150),
    "Grootschermer": ((4.8660, 52.5880), 480, 180),
    "De Rijp": ((4.8480, 52.5560), 620, 380),
    "Graft": ((4.8310, 52.5610), 520, 210),
    "West-Graftdijk": ((4.7900, 52.5605), 520, 120),
    "Markenbinnen": ((4.7745, 52.5310), 300, 160),
}
PLACES: dict[str, tuple[str, Position]] = {
    "Alkmaar": ("place", (4.7480, 52.6315)),
    "Grote Kerk": ("path", (4.7437, 52.6325)),
    "Waag": ("path", (4.7508, 52.6316)),
    "Molen van Piet": ("path", (4.7418, 52.6288)),
    "Omval": ("place", (4.7640, 52.6170)),
    "Station Alkmaar": ("station", (4.7397, 52.6378)),
    "Station Alkmaar Noord": ("station", (4.7640, 52.6437)),
    "Station Heiloo": ("station", (4.7010, 52.6003)),
    "Station Heerhugowaard": ("station", (4.8232, 52.6697)),
}
BUILT = (
    *("binnenstad", "overstad", "bergermeer", "de-hoef", "oosterhout", "kooimeer", "boekelermeer", "overdie"),
    *("oud-overdie", "oudorp", "beverkoog", "huiswaard", "de-mare", "koedijk", "daalmeer", "vroonermeer"),
)
"""Neighbourhoods that are built up as a whole."""


OWN_CANALS = ("noordhollandsch-kanaal", "hoornse-vaart", "kanaal-alkmaar-kolhorn", "singel", "bierkade")
"""Entities of the city folder."""

OWN_ROADS = (
    *("a9", "n9", "n242", "n245"),
    *("martin-luther-kingweg", "nollenweg", "kennemerstraatweg", "huiswaarderweg"),
)


def _extended(name: str, shapes: Mapping[str, Any]) -> list[Position]:
    """Return the line of an entity, with what lies beyond the city."""
    return [*_SOUTHWARD.get(name, ()), *_positions(shapes[name]), *_NORTHWARD.get(name, ())]


def drawing() -> dict[str, Any]:
    """Return the background as a GeoJSON FeatureCollection."""
    shapes = {
        entity.id.removeprefix("alkmaar."): entity.geometry["coordinates"]
        for entity in read_city(default_city()).entities
        if entity.geometry is not None
    }
    line = {name: _extended(name, shapes) for name in OWN_CANALS}
    roads = {name: _extended(name, shapes) for name in OWN_ROADS}
    rings = {name: _positions(shapes[name][0]) for name in BUILT}
    schermer = _shrunk(_positions(shapes["schermerboezem"]), 0.95)
    island = _positions(shapes["eilandspolder"][0])
    canals = {**{_title(name): each for name, each in line.items()}, **CANALS}
    canals["Ringvaart van de Schermer"] = _smooth(_positions(shapes["schermerboezem"]))
    kept = Obstacles(
        [*canals.values(), *RAIL.values()], [*roads.values(), *(each for _, each in ROADS.values())]
    )
    open_spaces = [*WATERS.values(), *GREENS.values()]
    random = Random(1)  # noqa: S311 - the wind of ditches

    features = [
        _feature("water", "Polygon", [_closed(SEA)], "Noordzee"),
        _feature("dune", "Polygon", [_closed(_smooth(DUNES))], "Noordhollands Duinreservaat"),
    ]
    features += [_feature("built", "Polygon", [_closed(each)]) for each in rings.values()]
    towns = {**TOWNS, **VILLAGES}
    features += [
        _feature("built", "Polygon", [_closed(_ellipse(*each))], name) for name, each in towns.items()
    ]
    features += [
        _feature("green", "Polygon", [_closed(_smooth(each))], name, "park") for name, each in GREENS.items()
    ]
    blocks = [
        _feature("building", "MultiPolygon", [[_closed(block)] for block in found])
        for number, (name, ring) in enumerate(rings.items())
        if (found := list(_blocks(ring, _pattern(name, number), kept, open_spaces)))
    ]
    features += blocks
    features += [
        _feature("water", "Polygon", [_closed(_smooth(each))], name, "water") for name, each in WATERS.items()
    ]
    features.append(_feature("ditch", "MultiLineString", list(_ditches(schermer))))
    features.append(_feature("ditch", "MultiLineString", list(_winding(island, random))))
    features += [_feature("canal", "LineString", each, name) for name, each in canals.items()]
    features += [
        _feature("rail", "LineString", _smooth(each, closed=False), name) for name, each in RAIL.items()
    ]
    classes = {"a9": "motorway", "n9": "main", "n242": "main", "n245": "main"}
    features += [
        _feature("road", "LineString", _smooth(each, closed=False), _title(name), classes.get(name, "street"))
        for name, each in roads.items()
    ]
    features += [
        _feature("road", "LineString", _smooth(each, closed=False), name, kind)
        for name, (kind, each) in ROADS.items()
    ]
    features += [
        _feature("label", "Point", position, name, kind) for name, (kind, position) in PLACES.items()
    ]
    features += [_feature("label", "Point", middle, name, "place") for name, (middle, _, _) in towns.items()]
    return {"type": "FeatureCollection", "features": features}


def main() -> None:
    """Write the file."""
    path = default_city() / BACKGROUND_FILE
    path.write_text(text_of(drawing()), encoding="utf-8")


def text_of(collection: dict[str, Any]) -> str:
    """Return the text of the file: a feature a line, so that a change of one is one line of a difference."""
    lines = (json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in collection["features"])
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def _feature(kind: str, type: str, coordinates: Any, name: str = "", subclass: str = "") -> dict[str, Any]:
    properties = {
        "kind": kind,
        **({"class": subclass} if subclass else {}),
        **({"name": name} if name else {}),
    }
    geometry = {"type": type, "coordinates": _rounded(coordinates)}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _rounded(coordinates: Any) -> Any:
    if isinstance(coordinates[0], float):
        return [round(each, _DECIMALS) for each in coordinates]
    return [_rounded(each) for each in coordinates]


def _positions(coordinates: Iterable[Sequence[float]]) -> Line:
    return [(each[0], each[1]) for each in coordinates]


def _title(name: str) -> str:
    if name[1:].isdigit():
        return name.upper()
    return " ".join(each.capitalize() for each in name.split("-"))


def _closed(ring: Line) -> Line:
    return ring if ring[0] == ring[-1] else [*ring, ring[0]]


def _smooth(line: Line, *, closed: bool = True) -> Line:
    """Return a line with its corners cut twice (Chaikin, 1974); a ring where it is closed."""
    for _ in range(2):
        ring = _closed(line) if closed else line
        cut = [
            (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
            for a, b in pairwise(ring)
            for share in (0.25, 0.75)
        ]
        line = cut if closed else [line[0], *cut[1:-1], line[-1]]
    return line


def _ellipse(middle: Position, east: float, north: float) -> Line:
    """Return an outline that bulges like a place that has grown along its roads."""
    outline = []
    for degrees in range(0, 360, 15):
        angle = radians(degrees)
        bulge = 1 + 0.12 * sin(3 * angle + middle[0] * 40) + 0.08 * cos(5 * angle)
        outline.append(
            (
                middle[0] + east * bulge * cos(angle) / _EAST_M,
                middle[1] + north * bulge * sin(angle) / _NORTH_M,
            )
        )
    return outline


class Pattern(NamedTuple):
    """The blocks of a neighbourhood."""

    length: float  #: with its street, metres
    width: float
    degrees: float  #: direction of the length, counterclockwise from east


def _pattern(name: str, number: int) -> Pattern:
    """Return the pattern of a neighbourhood, by its name and its number."""
    if name == "binnenstad":
        return Pattern(62, 44, 8)
    if name in ("boekelermeer", "beverkoog", "overstad"):
        return Pattern(210, 150, 20)
    return Pattern(185, 105, (number * 37) % 90)


class Obstacles:
    """Lines on which no house stands: wide ones, such as water and rails, and roads."""

    def __init__(self, wide: Sequence[Line], roads: Sequence[Line]) -> None:
        self._segments = [
            (a, b, metres)
            for lines, metres in ((wide, 32.0), (roads, 22.0))
            for line in lines
            for a, b in pairwise(line)
        ]

    def are_near(self, position: Position) -> bool:
        """Whether a position is on one of them."""
        return any(_distance_m(position, a, b) < metres for a, b, metres in self._segments)


def _distance_m(position: Position, a: Position, b: Position) -> float:
    px, py = (position[0] - a[0]) * _EAST_M, (position[1] - a[1]) * _NORTH_M
    dx, dy = (b[0] - a[0]) * _EAST_M, (b[1] - a[1]) * _NORTH_M
    share = max(0.0, min(1.0, (px * dx + py * dy) / (dx * dx + dy * dy)))
    return hypot(px - share * dx, py - share * dy)


def _inside(position: Position, ring: Line) -> bool:
    x, y = position
    crossings = 0
    for (ax, ay), (bx, by) in pairwise(_closed(ring)):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            crossings += 1
    return crossings % 2 == 1


def _blocks(ring: Line, pattern: Pattern, kept: Obstacles, open_spaces: Sequence[Line]) -> Iterator[Line]:
    """Yield the blocks of houses of a neighbourhood: a grid with streets between, without what is open."""
    for corners in _grid(ring, pattern):
        places = [
            *corners,
            *(((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise([*corners, corners[0]])),
        ]
        if (
            all(_inside(place, ring) for place in corners)
            and not any(kept.are_near(place) for place in places)
            and not any(_inside(place, space) for space in open_spaces for place in corners)
        ):
            yield corners


def _grid(ring: Line, pattern: Pattern) -> Iterator[Line]:
    length, width, degrees = pattern
    street = 14.0 if length < 100 else 30.0
    middle = _middle(ring)
    along, across = radians(degrees), radians(degrees + 90)

    def at(u: float, v: float) -> Position:
        east, north = u * cos(along) + v * cos(across), u * sin(along) + v * sin(across)
        return middle[0] + east / _EAST_M, middle[1] + north / _NORTH_M

    reach = 2_400
    for column in range(-int(reach / length), int(reach / length) + 1):
        for row in range(-int(reach / width), int(reach / width) + 1):
            u, v = column * length, row * width
            yield [
                at(u, v),
                at(u + length - street, v),
                at(u + length - street, v + width - street),
                at(u, v + width - street),
            ]


def _shrunk(ring: Line, share: float) -> Line:
    x, y = _middle(ring)
    return [(x + (each[0] - x) * share, y + (each[1] - y) * share) for each in ring]


def _middle(ring: Line) -> Position:
    return sum(x for x, _ in ring) / len(ring), sum(y for _, y in ring) / len(ring)


def _ditches(ring: Line) -> Iterator[Line]:
    """Yield the straight ditches of a drained lake, and the main drains across them."""
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    slope = 0.0035  # a little off north, as the drainage of 1635
    steps = int((east - west) * _EAST_M / _DITCHES_M)
    for number in range(-4, steps + 4):
        x = west + number * _DITCHES_M / _EAST_M
        yield from _clipped([(x, south), (x + slope * 2, north)], ring)
    for share in (0.14, 0.32, 0.5, 0.68, 0.86):
        y = south + (north - south) * share
        yield from _clipped([(west, y + slope * 0.6), (east, y - slope * 0.6)], ring)


def _winding(ring: Line, random: Random) -> Iterator[Line]:
    """Yield the winding waters of an old peat polder that was never drained as one."""
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    for number in range(1, 16):
        y = south + (north - south) * number / 16
        line = []
        for step in range(26):
            x = west + (east - west) * step / 25
            line.append((x, y + random.uniform(-0.0005, 0.0005)))
        yield from _clipped(line, ring)


def _clipped(line: Line, ring: Line) -> Iterator[Line]:
    """Yield the parts of a line inside a ring, to within some metres; a straight part keeps its ends only."""
    parts = 60 if len(line) == 2 else 4
    found: Line = []
    for a, b in pairwise(line):
        for step in range(parts):
            position = a[0] + (b[0] - a[0]) * step / parts, a[1] + (b[1] - a[1]) * step / parts
            if _inside(position, ring):
                found.append(position)
            elif len(found) > 1:
                yield [found[0], found[-1]] if len(line) == 2 else found[::4]
                found = []
            else:
                found = []
    if len(found) > 4:
        yield [found[0], found[-1]] if len(line) == 2 else found[::4]


if __name__ == "__main__":
    main()
