"""The AsyncAPI document (3.0): the events over Server-Sent Events, WebSocket, MQTT and webhooks.

Its schemas are those of the models that render the events, and that validate the messages of clients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from api.entities.models import State
from api.http.models import SCHEMA_REF
from api.http.parameters import Parameters
from api.http.response_headers import API_VERSION
from api.live.messages import ServerMessage, Subscribe, Unsubscribe
from api.live.models import SNAPSHOT_DATA, AlarmData, AnyLiveEvent
from api.live.schemas import LiveParameters
from api.openapi.description import API_KEY, SECURITY_SCHEMES, contact
from api.openapi.document import Schema, body_schemas, model_schemas, schema_reference
from api.settings import ApiSettings
from api.streams.models import AnyStreamEvent
from api.streams.routes import StreamParameters
from runtime.mqtt.outlet_topics import OutletTopics
from twin.model.city_model import City

EVENT_MODELS = AnyLiveEvent.__args__
STREAM_MODELS = AnyStreamEvent.__args__
MESSAGE_MODELS = ServerMessage.__args__
CLIENT_MODELS = (Subscribe, Unsubscribe)

JSON = "application/json"
EVENTS = "text/event-stream"
_CLOUD_EVENT = "CloudEvent"
_TLS_SCHEMES = {"http": "ws", "https": "wss"}


def asyncapi_document(settings: ApiSettings, city: City) -> Schema:
    """Return the document of an installation."""
    url = urlsplit(settings.base_url)
    key = [{"$ref": f"#/components/securitySchemes/{API_KEY}"}]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "LiveTwin",
            "version": API_VERSION,
            "description": f"Every change in {city.name}, as it happens; the rest is in `/v1/openapi.json`.",
            "contact": contact(settings, city),
            "license": {"name": "EUPL-1.2"},
        },
        "defaultContentType": JSON,
        "servers": {
            "http": {"host": url.netloc, "protocol": url.scheme, "security": key},
            "websocket": {"host": url.netloc, "protocol": _TLS_SCHEMES[url.scheme], "security": key},
            "mqtt": {
                "host": "{broker}",
                "protocol": "mqtt",
                "description": "The broker of the devices, where the installation opens it to others.",
                "variables": {"broker": {"default": f"{url.hostname}:1883"}},
            },
        },
        "channels": _channels(OutletTopics(city.id)),
        "operations": _operations(),
        "components": {
            "messages": _messages(),
            "schemas": {
                **_for_asyncapi(body_schemas(CLIENT_MODELS)),
                **_for_asyncapi(
                    model_schemas(
                        [
                            *(*EVENT_MODELS, *MESSAGE_MODELS, *STREAM_MODELS),
                            *(*SNAPSHOT_DATA, AlarmData, State),
                        ]
                    )
                ),
                _CLOUD_EVENT: _cloud_event(),
            },
            "securitySchemes": {API_KEY: SECURITY_SCHEMES[API_KEY]},
        },
    }


_HTTP = {"bindingVersion": "0.3.0"}
_RETAINED = {"mqtt": {"qos": 1, "retain": True, "bindingVersion": "0.2.0"}}


def _channels(topics: OutletTopics) -> Schema:
    """Return where messages are sent and received."""
    return {
        "live": {
            "address": "/v1/live",
            "title": "Server-Sent Events",
            "description": "Each message is an event: `id`, `event` and `data` are its fields; `data` is the "
            "text of the JSON that is described here.",
            "servers": [{"$ref": "#/servers/http"}],
            "messages": _references(map(_tag, EVENT_MODELS)),
        },
        "liveSocket": {
            "address": "/v1/live/ws",
            "title": "WebSocket",
            "description": "The same events, for several subscriptions that may change.",
            "servers": [{"$ref": "#/servers/websocket"}],
            "messages": _references(
                [*(_client_message(model) for model in CLIENT_MODELS), *map(_tag, MESSAGE_MODELS)]
            ),
            "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        },
        "durableStream": {
            "address": "/v1/streams/live",
            "title": "Durable Stream, over Server-Sent Events",
            "description": "With `live=sse`: all changes of the log. `data` is an array of them, `control` "
            "the position after it, from which a client goes on.",
            "servers": [{"$ref": "#/servers/http"}],
            "messages": _references(map(_tag, STREAM_MODELS)),
        },
        "entityState": {
            "address": topics.entity_topic("{entityId}"),
            "title": "The state of an entity, over MQTT",
            "servers": [{"$ref": "#/servers/mqtt"}],
            "parameters": {"entityId": {"description": "The id of the entity."}},
            "messages": _references(["entityState"]),
        },
        "alarmState": {
            "address": topics.alarm_topic("{alarmId}"),
            "title": "An alarm, over MQTT",
            "description": "Retained while the alarm is not normal; an empty message clears it.",
            "servers": [{"$ref": "#/servers/mqtt"}],
            "parameters": {"alarmId": {"description": "The id of the alarm."}},
            "messages": _references(["alarmState"]),
        },
        "webhook": {
            "address": None,
            "title": "A webhook",
            "description": "The URL of a subscription (`POST /v1/subscriptions`).",
            "messages": _references(["cloudEvent", "cloudEvents"]),
        },
    }


def _operations() -> Schema:
    """Return what this system does with the messages of each channel."""
    return {
        "sendEvents": _send(
            "live",
            map(_tag, EVENT_MODELS),
            {"http": {"method": "GET", "query": _query(LiveParameters), **_HTTP}},
        ),
        "sendStream": _send(
            "durableStream",
            map(_tag, STREAM_MODELS),
            {"http": {"method": "GET", "query": _query(StreamParameters), **_HTTP}},
        ),
        "sendMessages": _send("liveSocket", map(_tag, MESSAGE_MODELS)),
        "receiveMessages": {
            **_send("liveSocket", map(_client_message, CLIENT_MODELS)),
            "action": "receive",
        },
        "sendEntityState": _send("entityState", ["entityState"], _RETAINED),
        "sendAlarmState": _send("alarmState", ["alarmState"], _RETAINED),
        "callWebhook": _send("webhook", ["cloudEvent", "cloudEvents"], {"http": {"method": "POST", **_HTTP}}),
    }


def _for_asyncapi(schema: Any) -> Any:
    """Return a schema whose discriminators are names, without the mapping of OpenAPI."""
    if isinstance(schema, list):
        return [_for_asyncapi(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value["propertyName"]
        if name == "discriminator" and "propertyName" in value
        else _for_asyncapi(value)
        for name, value in schema.items()
    }


def _messages() -> Schema:
    """Return every message, by the name that channels have for it."""
    events = {_tag(model): _message(model, EVENTS) for model in (*EVENT_MODELS, *STREAM_MODELS)}
    messages = {_tag(model): _message(model) for model in MESSAGE_MODELS}
    client = {_client_message(model): _message(model) for model in CLIENT_MODELS}
    cloud_event = {"$ref": SCHEMA_REF.format(name=_CLOUD_EVENT)}
    return {
        **events,
        **messages,
        **client,
        "entityState": _message(State),
        "alarmState": _message(AlarmData),
        "cloudEvent": {
            "summary": "One event, in the mode `single`.",
            "contentType": "application/cloudevents+json",
            "payload": cloud_event,
        },
        "cloudEvents": {
            "summary": "Up to 100 events, in the mode `batch`.",
            "contentType": "application/cloudevents-batch+json",
            "payload": {"type": "array", "items": cloud_event, "minItems": 1},
        },
    }


def _message(model: type[Any], content_type: str = JSON) -> Schema:
    return {
        "summary": (model.__doc__ or "").partition("\n")[0],
        "contentType": content_type,
        "payload": schema_reference(model),
    }


def _tag(model: type[Any]) -> str:
    """Return the name of a message: that of its event or type."""
    tag: str = model.__struct_config__.tag
    return tag


def _client_message(model: type[Any]) -> str:
    return model.__name__.lower()


def _references(names: Any) -> Schema:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _send(channel: str, messages: Any, bindings: Mapping[str, Any] | None = None) -> Schema:
    """Return an operation; its messages are those of its channel."""
    operation: Schema = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
    return {**operation, "bindings": bindings} if bindings else operation


def _query(parameters: type[Parameters]) -> Schema:
    """Return the schema of the query of a stream: `/v1/openapi.json` has the parameters one by one."""
    names = [field.alias or name for name, field in parameters.model_fields.items()]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}}


def _cloud_event() -> Schema:
    """Return the schema of a CloudEvent (1.0) with the data of a live event."""
    text = {"type": "string"}
    data: Sequence[type[Any]] = (*SNAPSHOT_DATA, AlarmData)
    gap = {"$ref": SCHEMA_REF.format(name="GapData")}
    state = {"$ref": SCHEMA_REF.format(name="StateData")}
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "datacontenttype", "cursor", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**text, "description": "The same for the same event, however often it is sent."},
            "source": {**text, "format": "uri-reference"},
            "type": text,
            "subject": {**text, "description": "The id of the entity or of the alarm."},
            "time": {**text, "format": "date-time"},
            "datacontenttype": {"const": JSON},
            "sequence": {
                **text,
                "pattern": r"^\d{20}$",
                "description": "Orders the events of one subject and property; not in the format `livetwin`.",
            },
            "cursor": {**text, "description": "Where to resume after this event."},
            "data": {"anyOf": [state, *map(schema_reference, data), gap]},
        },
    }
