"""Scores: features, fingerprints, harmony, piano rolls, synthesis and embeddings."""
