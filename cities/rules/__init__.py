"""The rules of a city as YAML and JSON documents: read, checked against the city, written; evaluation is in
twin.alarms.
"""
