"""The end of a paho client."""

from __future__ import annotations

from paho.mqtt.client import Client


def stop_client(client: Client) -> None:
    """End the network thread of a client, and close every socket that the client has open.

    paho leaves the sockets by which it wakes its thread open until the client is freed. A client in a
    reference cycle is freed by the garbage collector, which may free the sockets first: they then warn that
    they were not closed. paho's finalizer closes them, and may run more than once.
    """
    client.loop_stop()
    client.__del__()
