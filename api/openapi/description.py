"""What the OpenAPI document says of the API as a whole: contact, server, tags, keys."""

from __future__ import annotations

from typing import Any

from api.settings import ApiSettings
from twin.model.city_model import City

DESCRIPTION = (
    "Live state and history of a city. Follows the NLGov REST API Design Rules. Times are UTC (RFC 3339); "
    "units are UCUM codes; coordinates are WGS 84, longitude before latitude. Errors are problems (RFC 9457) "
    "with all faults of a request at once. Undeclared parameters are faults."
)

TAGS = {
    "entities": "Things in the city, their present state and their history.",
    "datastreams": "One sensor and one property on one entity, and its single readings.",
    "sensors": "The sensor register: whose sensors are, why, what they observe and what not.",
    "city": "What the city says of itself, and the configuration that is applied.",
    "downloads": "All readings, or all events of alarms, of any time, as files.",
    "vocabulary": "What may be asked for: names of values, and types of entities.",
    "history": "What is computed again after a change of the configuration.",
    "live": "Every change, as it happens.",
    "subscriptions": "The same events, sent to a URL.",
    "alarms": "Alarms after ISA-18.2 with their explanation, incidents, and operator actions.",
    "rules": "The rules that raise alarms, and what they would have raised.",
    "maintenance": "Times of work on sensors, once or recurring; what was measured then does not count.",
    "duty": "Who is on call, and what they were told.",
    "insights": "Values side by side.",
    "ledger": "The account of all received messages.",
    "quarantine": "Messages that could not be used, and devices without a sensor.",
    "access": "Who sends a request, and what they may do.",
    "audit": "Who changed what, and who read whose personal data.",
    "operations": "Health of the installation, and this document.",
}

API_KEY = "apiKey"
REPLY_KEY = "replyKey"

SECURITY_SCHEMES = {
    API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, made with `livetwin token create`, or an access token of an issuer that "
        "the city accepts. Its role, perhaps limited to areas, decides what it may do and see. Most reads "
        "need none.",
    },
    REPLY_KEY: {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret of the provider that passes replies on (`LIVETWIN_REPLY_KEY`).",
    },
}


def server_url(settings: ApiSettings) -> str:
    """Return the URL below which the paths of the document are."""
    return f"{settings.base_url.rstrip('/')}/v1"


def application_members(settings: ApiSettings, city: City) -> dict[str, Any]:
    """Return the members of the FastAPI application that describe the API."""
    return {
        "title": "LiveTwin",
        "summary": f"The live state and history of {city.name}.",
        "description": DESCRIPTION,
        "license_info": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        "servers": [{"url": server_url(settings), "description": f"LiveTwin of {city.name}."}],
        "openapi_tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    }


def contact(settings: ApiSettings, city: City) -> dict[str, str]:
    """Return whom developers can ask. FastAPI would check the address with another library."""
    return {"name": f"LiveTwin of {city.name}", "email": settings.contact_email, "url": settings.base_url}
