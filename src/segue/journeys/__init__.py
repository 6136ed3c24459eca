"""Ways through a library: paths from one track to another, and playlists that flow."""

from segue.answers.apart import rank_in_turn
from segue.answers.question import Query, Question
from segue.answers.taste import leaning, skipped
from segue.answers.usual import usual_space_of
from segue.journeys.path import Path, find_path
from segue.journeys.playlist import Item, Wish, make_playlist
from segue.learning.placing import FileEmbedder
from segue.neighbours import Watcher
from segue.query import Filters, track_named
from segue.sound_kinds import not_music
from segue.store import Store


class Journeys:
    """Ways through a library; `segue.Library.journeys`.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(
        self,
        start: Query,
        goal: Query,
        n: int = 20,
        *,
        space: str | None = None,
        taste: bool = True,
        all_sounds: bool = False,
    ) -> Path:
        """Find a journey in small steps from one track to another.

        Parameters
        ----------
        start, goal : str, int or Path
            Each names one track of the library.
        n : int
            How many tracks, both ends counted.
        space : str, optional
            Else the usual one of the kind of music that is asked with.
        taste : bool
            Pass by what is skipped.
        all_sounds : bool
            By way of what is no music, too: speech, noise, and what lasts less than 10 s.
        """
        ends = track_named(self._store, start), track_named(self._store, goal)
        space = space or usual_space_of(self._store, ends)
        unwanted = skipped(self._store) if taste else ()
        left_out = () if all_sounds else not_music(self._store)
        return find_path(self._store, space, *ends, n, unwanted, left_out)

    def playlist(
        self,
        *queries: Query,
        wish: Wish | None = None,
        space: str | None = None,
        filters: Filters | None = None,
        taste: bool = True,
        watch: Watcher | None = None,
    ) -> list[Item]:
        """Make a playlist of what is like some tracks.

        Parameters
        ----------
        queries : str, int or Path
        wish : Wish, optional
            How long, in what order, how surprising; else 30 tracks in small steps.
        space : str, optional
            Else the usual one of the kind of music that is asked with.
        filters : Filters, optional
        taste : bool
            Leave out what is skipped; lean towards what is loved, and away from what is skipped.
        watch : callable, optional
            Told how many files are read, of how many, to find versions of one piece.
        """
        question = Question(self._store, queries, embed=FileEmbedder(self._store))
        ranking = rank_in_turn(self._store, question, space)
        if taste:
            ranking = leaning(self._store, ranking)
        unwanted = skipped(self._store) if taste else ()
        return make_playlist(
            self._store, ranking, question.tracks, wish or Wish(), filters, unwanted, watch
        )
