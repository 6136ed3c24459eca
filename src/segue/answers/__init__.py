"""Answers: what is like what was asked, and why."""
