"""Write golden/scores.npz: features and fingerprints of two seeded scores.

python tests/score/make_golden_scores.py

Run it when, and only when, a representation changes on purpose; raise its VERSION then.
"""

from pathlib import Path

import numpy as np

from scores import piece
from segue.score.features import score_features
from segue.score.fingerprint import minhash

FILE = Path(__file__).parent / "golden" / "scores.npz"

if __name__ == "__main__":
    pieces = [piece(seed) for seed in (1, 2)]
    np.savez_compressed(
        FILE,
        features=np.stack([score_features(score) for score in pieces]),
        prints=np.stack([minhash(score) for score in pieces]),
    )
