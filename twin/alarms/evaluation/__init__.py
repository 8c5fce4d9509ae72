"""The evaluation of rules over the points of their operands, in event time; no transport, no storage."""
