"""The duty plan of a city folder: routes.yaml and the iCalendar rosters, read, cross-checked and written;
who is on call now is in alerting.
"""
