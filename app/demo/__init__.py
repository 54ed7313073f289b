"""The demonstration: published results driven through the JSON API as a client would; imports nothing of the service."""
