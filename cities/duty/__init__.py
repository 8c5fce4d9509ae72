"""The duty plan of a city folder: routes.yaml and the iCalendar rosters, read, checked and written."""
