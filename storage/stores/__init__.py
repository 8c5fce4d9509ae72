"""One module for each subject that other roles read or change in the database.

No long-running tasks, and no time series.
"""
