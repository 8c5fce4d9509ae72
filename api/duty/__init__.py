"""Duty: who is on call, the roster, overrides, and the notifications sent.

Routing and escalation belong to alerting.
"""
