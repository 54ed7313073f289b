"""Background work: claims on rows, warm child processes and the runner; knows no domain, and nothing else knows the engine."""
