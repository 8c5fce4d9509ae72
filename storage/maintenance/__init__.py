"""Changes what is already stored: repair, recomputation, downsampling, retention.

Nothing here reads the log.
"""
