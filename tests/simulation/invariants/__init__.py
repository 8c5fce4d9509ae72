"""What must hold when everything was delivered; each function returns the violations as text, and changes
nothing.
"""
