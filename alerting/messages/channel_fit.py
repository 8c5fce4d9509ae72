"""What a message tells on a channel: of several incidents only those for which the channel has room. Pure."""

from __future__ import annotations

from alerting.messages.digest_text import fit_digest
from alerting.messages.hand_over_text import fit_hand_over
from alerting.messages.outgoing_message import OutgoingMessage
from alerting.messages.short_text import SHORT_CHARACTERS_MAX
from twin.model.duty import NotificationChannel, WebhookTemplate


def webhook_characters(template: WebhookTemplate) -> int:
    """Return the length of the longest text that the channel accepts; short texts are of one incident."""
    return template.characters if template.text == "full" else SHORT_CHARACTERS_MAX


def fit_message(message: OutgoingMessage, characters: int) -> OutgoingMessage:
    """Return a message as a channel of so many characters tells it."""
    if message.parts:
        return fit_digest(message, characters)
    return message if message.hand_over is None else fit_hand_over(message, characters)


def answerable_occurrences(message: OutgoingMessage, channel: NotificationChannel | None) -> frozenset[bytes]:
    """Return the occurrences that a reply to a message acknowledges; none if its channel takes no replies."""
    webhook = channel.webhook if channel is not None else None
    if webhook is None or not webhook.replies or not message.text.answer_label:
        return frozenset()
    return fit_message(message, webhook_characters(webhook)).occurrences
