"""Which sums over households may be published, so that no sum reveals a single household.

Every value of a personal datastream that leaves its entity passes through here. Access control does not
belong here.
"""
