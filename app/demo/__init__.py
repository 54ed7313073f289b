"""The demonstration: published results driven through the JSON API; imports nothing of the service."""
