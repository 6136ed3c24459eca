"""Words that say how something is said and not what: articles, pronouns, particles, auxiliaries.

Their shares tell authors apart whatever these write of: Mosteller & Wallace, "Inference in an
Authorship Problem", Journal of the American Statistical Association 58, 1963. The lists are of
five languages that lyrics here are in; a spelling that two of them share is one word.
"""

from typing import Final

_ENGLISH: Final = """
a about after again all am an and are as at be been before but by can could did do does down for
from had has have he her here him his how i if in into is it its just like me might more must my
never no nor not now o of off oh on once one only or our out over own shall she should so some
still such than that the thee their them then there these they this those thou though through thus
thy till to too unto up upon us was we were what when where which while who whom whose why will
with would yet you your ye hath doth i'm don't it's can't you're i'll won't ain't 'tis o'er
"""
_GERMAN: Final = """
aber alle als am an auch auf aus bei bin bis bist da dann das dass dein dem den denn der des dich
die dir doch du durch ein eine einen er es für hab hat hast ich ihm ihn ihr im in ist ja kein man
mein mich mir mit nach nicht nichts noch nun nur ob oder ohn' sein sich sie sind so soll um und
uns unser vom von vor war was weil wenn wer wie will wir wird zu zum zur
"""
_FRENCH: Final = """
à au aux avec ce ces dans de des elle en est et il ils j'ai je la le les leur lui ma mais me mes
moi mon ne nous on ou où par pas plus pour qu'il que qui sa sans se ses si son sur ta te tes toi
ton tout tu un une vous y c'est
"""
_SPANISH: Final = """
al como con cuando del el ella eres es esta este fue ha hay las lo los más mi muy no nos o para
pero por porque qué sin soy su sus también tan ti todo tus una uno ya yo
"""
_ITALIAN: Final = """
ai al amor che chi ci come con cui da dal dei del della di e ed è gli ha ho i il io la lei li lo
ma mai mia mio nel non ogni per più qual quando quel questo se sei si sia sono sua sul suo tu ti
tua tuo un una vi
"""

#: In a fixed order, lower case, straight apostrophes; each is one of a vector's numbers.
FUNCTION_WORDS: Final = tuple(
    dict.fromkeys(
        word for some in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN) for word in some.split()
    )
)
