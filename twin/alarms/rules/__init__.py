"""The rules as data: operands, schedules, expressions, and which rules apply to which entity; no evaluation
state.
"""
