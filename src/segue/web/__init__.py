"""The server: OpenSubsonic and AudioMuse-AI interfaces to a library, for players on the network."""
