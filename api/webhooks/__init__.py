"""Webhook subscriptions: routes, request bodies and documents. The outlets role delivers the events."""
