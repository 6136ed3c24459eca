"""Variational autoencoder of four bars of a piano roll."""
