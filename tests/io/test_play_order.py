"""The order in which bars are played: repeats, endings, da capo, dal segno, coda."""

import time

import pytest

from segue.io.play_order import Jump, NavigationMarks, NavigationText, play_order, read_navigation


def written(text: str) -> tuple[str, list[NavigationMarks]]:
    """Read bars of one letter: ``|:`` before one, ``[1,3]``, and behind ``/`` what stands at it."""
    letters, marks = "", []
    for notation in text.split():
        mark, bar = NavigationMarks(), notation
        if bar.startswith("|:"):
            mark.opens, bar = True, bar[2:]
        if bar.startswith("["):
            passes, _, bar = bar[1:].partition("]")
            mark.endings = frozenset(map(int, passes.split(",")))
        letter, *signs = bar.split("/")
        letters += letter
        for sign in signs:
            if sign.startswith(":|"):
                mark.closes = int(sign[2:] or 2)
            elif sign in {"segno", "coda"}:
                setattr(mark, sign, frozenset([""]))
            elif sign == "to":
                mark.to_coda = ""
            elif sign in {"fine", "final", "begins", "after_jump"}:
                setattr(mark, sign, True)
            else:
                mark.jump = read_navigation(sign.replace("_", " ")).jump
                assert mark.jump
        marks.append(mark)
    return letters, marks


def order(text: str) -> tuple[str, str]:
    letters, marks = written(text)
    playback = play_order(marks)
    return "".join(letters[n] for n in playback.bars), playback.problem


@pytest.mark.parametrize(
    ("bars", "played"),
    [
        ("A B C", "ABC"),
        ("", ""),
        # with and without a forward sign
        ("|:A B/:| C", "ABABC"),
        ("A/:| B/:|", "AABB"),
        ("A B/:| C/:| D", "ABABCCD"),
        ("A |:B/:| C/:|", "ABBCC"),
        ("A/:| |:B/:| C/:| D", "AABBCCD"),
        ("|:A B C", "ABC"),
        # times
        ("|:A/:|3 B", "AAAB"),
        ("A/:|5", "AAAAA"),
        # endings
        ("|:A [1]B/:| [2]C D", "ABACD"),
        ("A [1]B/:| [2]C D", "ABACD"),
        ("|:A [1]B/:| [2]C/:| D", "ABACD"),
        ("A [1,3]B/:| [2,4]C/:|", "ABACABAC"),
        ("|:A [1,2]B/:| [3]C D", "ABABACD"),
        ("|:A [1,2,3]B/:| [4]C", "ABABABAC"),
        ("|:A [1]B/:| [2]C/:| [3]D E", "ABACADE"),
        ("|:A [1]B/:| C D", "ABACD"),
        ("|:A [1,2]B/:| C", "ABABAC"),
        ("|:A [1]B/:|3 C", "ABABAC"),
        ("|:A [1]B/:|3 [3]C", "ABABAC"),
        ("|:A [1,2]B/:|3 [2]C", "ABABAC"),
        ("|:A [1]B [1]C/:| [2]D [2]E F", "ABCADEF"),
        ("|:A/:|4 [4]B", "AAAAB"),
        # a bracket that ends before the repeat sign; one that has forgotten its sign
        ("|:A [1]B C/:| [2]D E", "ABCADE"),
        ("|:A [1]B/:| [2]C [3]D E", "ABACADE"),
        ("|:A [1,2]B C/:|3", "ABCABCAC"),
        ("|:A [1]B/:| [2]C |:D [1]E/:| [2]F", "ABACDEDF"),
        ("A [1]B/:| [2]C D [1]E/:| [2]F", "ABACDEDF"),
        ("A [1]B/:| [2]C/:| D [1]E/:| [2]F/:|", "ABACDEDF"),
        # a refrain whose endings lead into verses, and these back
        ("|:A [1]B [2]C [3]D E [1]F/:| [2]G/:|", "ABEFACEGADE"),
        # nested
        ("|:A |:B/:| C/:| D", "ABBCABBCD"),
        ("|:A |:B [1]C/:| [2]D E/:|", "ABCBDEABCBDE"),
        ("|:A |:B |:C/:| D/:| E/:|", "ABCCDBCCDEABCCDBCCDE"),
        # da capo
        ("A B C/D.C.", "ABCABC"),
        ("A B/fine C/D.C._al_Fine", "ABCAB"),
        ("A B/fine C/D.C.", "ABCAB"),
        ("A B/fine C/Da_Capo", "ABCAB"),
        ("A/to B C/D.C._al_Coda D/coda E", "ABCADE"),
        ("A/to B C/D.C. D/coda E", "ABCADE"),
        ("A/to/fine B C/D.C. D/coda", "ABCAD"),
        ("A B/D.C._al_Coda C/coda", "ABABC"),
        ("A B/fine C/D.C._al_Fine_e_poi_la_Coda D/coda E", "ABCABDE"),
        # dal segno
        ("A B/segno C/D.S.", "ABCBC"),
        ("A B/segno C/fine D/D.S._al_Fine", "ABCDBC"),
        ("A B/segno C/to D E/dal_segno_al_coda F/coda G", "ABCDEBCFG"),
        ("A/fine B/segno C/D.S. D/D.C._al_Fine", "ABCBCDA"),
        ("A B/segno C/D.S. D E/segno F/D.S.", "ABCBCDEFEF"),
        ("A B/segno C/Da_Capo_al_segno", "ABCA"),
        ("A B C/segno D/D.C._al_Segno_e_poi_la_Coda E/coda", "ABCDABE"),
        # repeats are not played again after a jump, and the last ending is taken
        ("|:A/:| |:B/:| C/D.C.", "AABBCABC"),
        ("|:A [1]B/:| [2]C/fine D/D.C._al_Fine", "ABACDAC"),
        ("|:A/:| B/fine |:C/:| D/D.C._al_Fine", "AABCCDAB"),
        ("|:A/:| B/fine C/D.C._al_Fine_con_repetizione", "AABCAAB"),
        ("|:A/:|/after_jump B/fine C/D.C._al_Fine", "AABCAAB"),
        ("|:A/:|/D.C.", "AAA"),
        ("|:A B/:|/D.C._al_Fine C/fine", "ABABABC"),
        ("|:A [1]B/:| [2]C/D.C.", "ABACAC"),
        ("A [1]B/D.C. [2]C", "ABAC"),
        # Fine, or the way to the coda, in a first ending
        ("|:A [1]B/:|/fine [2]C |:D/:| E/D.C._al_Fine", "ABACDDEAB"),
        ("|:A [1]B/:|/to [2]C D/D.C._al_Coda E/coda", "ABACDABE"),
        ("A/segno [1]B/D.S. [2]C D", "ABACD"),
        ("|:A/:| B/to C/D.C._al_Coda |:D/coda/:| E", "AABCABDDE"),
        # a menuet and its trio, and what comes after them
        ("|:A/:| |:B/:|/final |:C/:| |:D/:|/Menuetto_D.C./final E F", "AABBCCDDABEF"),
        ("A B/fine C/D.C._al_Fine D E", "ABCABDE"),
        ("A B/segno C/fine D/D.S._al_Fine |:E/:|", "ABCDBCEE"),
        ("A B/final C/begins D/fine E/D.C._al_Fine", "ABCDECD"),
    ],
)
def test_bars_are_played_in_this_order(bars: str, played: str) -> None:
    assert order(bars) == (played, "")


@pytest.mark.parametrize(
    ("bars", "played", "message"),
    [
        ("A B/D.S. C", "ABC", "bar 2 says D.S. without a segno"),
        ("|:A/:| B/D.S._al_Fine", "AAB", "bar 2 says D.S. without a segno"),
        ("A B/D.C._al_Fine", "AB", "no bar is marked Fine"),
        ("A B/D.C._al_Coda", "AB", "without a coda"),
        ("A/to B/D.C._al_Coda", "ABAB", "leads to a coda that is not there"),
        ("A/to B/D.C._al_Coda C D/coda", "ABCD", "bar 3 would never be played; played as written"),
        ("A [1,2]B [3]C", "ABC", "no repeat leads back from the ending at bar 2"),
        ("A/:|99", "A", "over 32 times longer; played as written"),
        ("|:" + " |:".join("ABCDEFGH") + " " + " ".join("I/:|" for _ in range(8)), "",
         "over 32 times longer"),
    ],
)  # fmt: skip
def test_contradictions_are_reported(bars: str, played: str, message: str) -> None:
    played_bars, problem = order(bars)
    assert played_bars == (played or written(bars)[0])
    assert message in problem


@pytest.mark.parametrize(
    "bars",
    [
        "A/:| " * 2000,
        "|:A " * 2000 + "B/:| " * 2000,
        "|:A " + "[2]B [3]C " * 2000 + "[1]D/:|",
        "A/segno/D.S. " * 2000,
        "A/D.C. " * 2000,
        "A/fine/to/segno/coda/D.C._al_Coda " * 2000,
        "|:A/:|999 " * 2000,
    ],
)
def test_time_is_linear_in_the_written_bars(bars: str) -> None:
    _, marks = written(bars)
    begin = time.process_time()
    playback = play_order(marks)
    assert time.process_time() - begin < 5
    assert len(playback.bars) <= max(32 * len(marks), 1)


# ---- words -------------------------------------------------------------------------------------

DA_CAPO = Jump()
DAL_SEGNO = Jump(to_segno=True)


@pytest.mark.parametrize(
    ("text", "jump"),
    [
        ("D.C.", DA_CAPO),
        ("D. C.", DA_CAPO),
        ("DC", DA_CAPO),
        ("Da Capo", DA_CAPO),
        ("da capo", DA_CAPO),
        ("Menuetto D.C.", DA_CAPO),
        ("Menuetto da capo.", DA_CAPO),
        ("D.C. senza repetizione", DA_CAPO),
        ("D.C. al Fine", Jump(until="fine")),
        ("D. C. al Fine.", Jump(until="fine")),
        ("Da capo al Fine", Jump(until="fine")),
        ("DC al fine", Jump(until="fine")),
        ("Da Capo bis Fine", Jump(until="fine")),
        ("D.C. al Fin", Jump(until="fine")),
        ("D.C. al Coda", Jump(until="coda")),
        ("D.C. al \U0001d10c", Jump(until="coda")),
        ("D.C. al Fine e poi la Coda", Jump(until="fine", then_coda=True)),
        ("Da Capo con repetizione", Jump(with_repeats=True)),
        ("D.C. al Fine with repeats", Jump(until="fine", with_repeats=True)),
        ("D.C. mit Wiederholungen", Jump(with_repeats=True)),
        ("Da Capo al Segno", Jump(until="segno")),
        ("D.S.", DAL_SEGNO),
        ("D. S.", DAL_SEGNO),
        ("Dal Segno", DAL_SEGNO),
        ("dal \ue047", DAL_SEGNO),
        ("D.\U0001d10b", DAL_SEGNO),
        ("D.S. <sym>segno</sym>", DAL_SEGNO),
        ("D.S. al Fine", Jump(to_segno=True, until="fine")),
        ("dal segno al coda", Jump(to_segno=True, until="coda")),
        ("D.S. al Coda", Jump(to_segno=True, until="coda")),
        ("Dal Segno al Fine", Jump(to_segno=True, until="fine")),
        ("Del Segno al Fine", Jump(to_segno=True, until="fine")),
        ("Al \ue047 y Coda", Jump(to_segno=True, until="coda")),
        ("Ao \ue047 e \ue048", Jump(to_segno=True, until="coda")),
        ("D.C. al Fine (senza rit.)", Jump(until="fine")),
        ("Retour au début", DA_CAPO),
        ("Volver al principio", DA_CAPO),
        ("Al principio hasta Fin", Jump(until="fine")),
        ("Do começo ao Fim", Jump(until="fine")),
        ("Volta ao início", DA_CAPO),
        ("Back to the beginning", DA_CAPO),
        ("Repeat from beginning to Fine", Jump(until="fine")),
        ("Från början", DA_CAPO),
        ("Od začátku", DA_CAPO),
        ("Сначала до слова «Конец»", Jump(until="fine")),
        ("最初から", DA_CAPO),
        ("Capo al Fine", Jump(until="fine")),
        ("D.%. al Fine", Jump(to_segno=True, until="fine")),
        ("Vom Zeichen bis zum Schluss", Jump(to_segno=True, until="fine")),
        ("Reprise au signe jusqu'à Fin", Jump(to_segno=True, until="fine")),
        ("Desde el signo", DAL_SEGNO),
        ("Do sinal ao Fim", Jump(to_segno=True, until="fine")),
        ("Back to sign", DAL_SEGNO),
        ("Da segno", DAL_SEGNO),
        ("От знака", DAL_SEGNO),
    ],
)
def test_jumps_in_words(text: str, jump: Jump) -> None:
    assert read_navigation(text).jump == jump


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Fine", "fine"),
        ("FINE", "fine"),
        ("Fine.", "fine"),
        ("(Fine)", "fine"),
        ("Fin", "fine"),
        ("Ende", "fine"),
        ("Schluß", "fine"),
        ("End", "fine"),
        ("Fim", "fine"),
        ("Einde", "fine"),
        ("Slut", "fine"),
        ("Конец", "fine"),
        ("Fine 2nd time", "fine"),
        ("Fine (last time)", "fine"),
        ("To Coda", "to_coda"),
        ("to coda \ue048", "to_coda"),
        ("Al Coda", "to_coda"),
        ("A la Coda", "to_coda"),
        ("To \u2295 Coda", "to_coda"),
        ("Salta alla Coda", "to_coda"),
        ("To CODA (2nd time)", "to_coda"),
        ("CODA", "coda"),
        ("\ue048 Coda", "coda"),
        ("\U0001d10b", "segno"),
        ("Segno", "segno"),
    ],
)
def test_signs_in_words(text: str, field: str) -> None:
    navigation = read_navigation(text)
    assert getattr(navigation, field) is True
    assert navigation.jump is None


@pytest.mark.parametrize(
    "text",
    [
        "", "dolce", "cresc. al fine", "dim. e rall. alla fine", "sempre rit. e dim. sin al fine",
        "à mi-voix, très fin", "Mouvement du début", "Tempo di capo", "Wie zu Anfang",
        "a tempo (ein wenig gemäßigter als im Anfang)", "finezza", "Codetta", "fine ladies",
        "con forza", "DCI", "dim. al Coda", "da capriccio", "D", "D C G", "1. S.",
        "au début lent", "From the beginning of the song", "Back to the roots", "End of verse",
        "Finale", "final", "del signor", "To the signal", "fromsign", "Capo 3",
    ],
)  # fmt: skip
def test_other_words_say_nothing_of_the_order(text: str) -> None:
    navigation = read_navigation(text)
    assert navigation == NavigationText()
