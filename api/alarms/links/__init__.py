"""What an acknowledgement link shows: its alarms, who was notified, the page and the document of both."""
