"""Examples of correlations and the liveability card, for /v1/openapi.json."""

from __future__ import annotations

from api.http.openapi_examples import response_example

_LAG = {
    "lag": 1,
    "coefficient": 0.62,
    "pairs": 700,
    "effectivePairs": 96.4,
    "interval": {"low": 0.48, "high": 0.73},
}
CORRELATIONS = response_example(
    "The correlation at each lag.",
    {
        "x": {"entityId": "alkmaar.overdie", "property": "area_speed_ratio", "unit": "1", "hours": 720},
        "y": {"entityId": "alkmaar.overdie", "property": "no2", "unit": "ug/m3", "hours": 702},
        "start": "2026-10-24T12:00:00Z",
        "end": "2026-11-23T12:00:00Z",
        "method": "pearson",
        "confidence": 0.95,
        "best": _LAG,
        "significant": True,
        "lags": [_LAG],
    },
)
LIVEABILITY = response_example(
    "The card.",
    {
        "entityId": "alkmaar.overdie",
        "name": "Overdie",
        "type": "Neighbourhood",
        "domains": [
            {
                "domain": "air",
                "title": {"en": "Air", "nl": "Lucht"},
                "score": 80.0,
                "value": 3,
                "unit": "1",
                "measuredBy": "lki",
                "property": "area_lki",
                "count": 3,
                "members": 3,
                "membersExpected": 3,
                "preliminary": False,
                "phenomenonTime": "2026-11-23T12:00:00Z",
                "quality": "good",
                "freshness": "live",
                "best": 1,
                "worst": 11,
                "explanation": {"en": "100 at class 1, 0 at class 11", "nl": "100 bij klasse 1, …"},
                "source": "RIVM report 2014-0050: lowest and highest class",
            }
        ],
    },
)
