"""Bytes and records as devices and roles write them; nothing here sends or decodes them."""
