"""Evaluations over several values: correlations and the liveability card.

The formulas themselves live in twin.indicators.
"""
