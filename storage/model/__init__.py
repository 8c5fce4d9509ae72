"""The city model in the database, with rules and duty overrides: every change raises the model's version and
is audited. No observations.
"""
