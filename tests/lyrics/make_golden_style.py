"""Write golden/style.npz: features and fingerprints of two seeded songs.

python tests/lyrics/make_golden_style.py

Run it when, and only when, a representation changes on purpose; raise its VERSION then.
"""

from pathlib import Path

import numpy as np

from segue.lyrics.features import style_features
from segue.lyrics.matching import text_minhash
from verses import song

FILE = Path(__file__).parent / "golden" / "style.npz"

if __name__ == "__main__":
    songs = [song("Ada Long", 1), song("Bob Short", 1) + "\n夜の歌\nNoch 'n Lied, dîner à l’été…"]
    np.savez_compressed(
        FILE,
        features=np.stack([style_features(text) for text in songs]),
        prints=np.stack([text_minhash(text) for text in songs]),
    )
