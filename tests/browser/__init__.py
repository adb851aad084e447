"""The real front ends, in a real browser."""
