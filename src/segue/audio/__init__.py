"""Recordings: features, fingerprints and embeddings."""
