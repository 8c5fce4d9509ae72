"""What a role reports about itself: logs, metrics and traces.

What may not live here: measurements of the city.
"""
