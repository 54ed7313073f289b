"""What concerns a deployment as a whole: hosts that belong together, its health, backups, moving house."""
