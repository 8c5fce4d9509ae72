"""The text of a message in the contact's language, and the message as the journal keeps it; no I/O."""
