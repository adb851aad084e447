"""Tests of the real front ends in a real browser."""
