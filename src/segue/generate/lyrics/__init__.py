"""Lyrics generation."""
