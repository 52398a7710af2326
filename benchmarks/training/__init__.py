"""Training: its speed, and what the classifiers reach. One command a module."""
