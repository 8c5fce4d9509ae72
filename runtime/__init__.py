"""What the process of every role shares: the Kafka log, settings, logging, metrics and readiness.

What may not live here: anything that knows what an observation means (that is `twin`) or what one role does.
"""
