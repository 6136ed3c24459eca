"""The autoencoders' networks, one file each."""
