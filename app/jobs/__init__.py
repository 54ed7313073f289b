"""Background work: claims on rows, warm children, the runner; knows no domain, and nothing else knows the engine."""
