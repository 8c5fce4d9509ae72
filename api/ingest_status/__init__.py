"""What became of received messages: ledger, quarantine, unassigned devices.

Receiving itself belongs to ingest.
"""
