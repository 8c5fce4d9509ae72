"""The endpoints, one module a resource. Each checks the request, asks, and writes the answer; no more."""
