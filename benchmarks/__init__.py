"""What the README claims, measured on a running service."""
