"""The encodings of texts that are older than Unicode, and who wrote in them."""

from typing import Final

#: Encodings that are considered, by Python's names, and how common texts in them are.
PRIORS: Final = {
    "cp1252": 1.0,
    "cp1251": 0.36,
    "cp932": 0.36,
    "gb18030": 0.36,
    "big5hkscs": 0.2,
    "cp949": 0.25,
    "euc_jis_2004": 0.08,
    "cp1250": 0.31,
    "cp1254": 0.2,
    "cp1253": 0.14,
    "koi8-r": 0.1,
    "koi8-u": 0.08,
    "cp866": 0.08,
    "iso8859-2": 0.16,
    "cp1257": 0.12,
    "cp1255": 0.15,
    "cp1256": 0.15,
    "cp1258": 0.05,
    "cp874": 0.09,
    "iso8859-5": 0.05,
    "iso8859-7": 0.08,
    "mac-roman": 0.04,
    "mac-cyrillic": 0.05,
    "cp850": 0.05,
    "cp852": 0.04,
}
CYRILLIC: Final = ("cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic")
WESTERN: Final = ("cp1252", "mac-roman", "cp850")
CENTRAL: Final = ("cp1250", "iso8859-2", "cp852")
JAPANESE: Final = ("cp932", "euc_jis_2004")
CHINESE: Final = ("gb18030", "big5hkscs")
#: Languages as they are declared (ISO 639, and the four letters of karaoke files), and what
#: texts in them are encoded in.
LANGUAGES: Final = {
    **dict.fromkeys(["ru", "rus", "russ", "uk", "ukr", "ukra", "bg", "bul", "bulg"], CYRILLIC),
    **dict.fromkeys(["en", "eng", "engl", "de", "deu", "ger", "deut", "germ"], WESTERN),
    **dict.fromkeys(["fr", "fra", "fre", "fran", "fren", "it", "ita", "ital"], WESTERN),
    **dict.fromkeys(["es", "esp", "spa", "espa", "span", "pt", "por", "port"], WESTERN),
    **dict.fromkeys(["nl", "nld", "dut", "dutc", "sv", "swe", "swed", "da", "dan"], WESTERN),
    **dict.fromkeys(["dani", "no", "nor", "norw", "fi", "fin", "finn", "latin"], WESTERN),
    **dict.fromkeys(["pl", "pol", "poli", "cs", "cze", "ces", "czec", "hu", "hun"], CENTRAL),
    **dict.fromkeys(["hung", "sk", "slo", "slk", "hr", "hrv", "croa", "ro", "rum"], CENTRAL),
    **dict.fromkeys(["ja", "jp", "jpn", "japa", "nipp"], JAPANESE),
    **dict.fromkeys(["zh", "chi", "zho", "chin", "cn", "tw"], CHINESE),
    **dict.fromkeys(["ko", "kor", "kr", "kore"], ("cp949",)),
    **dict.fromkeys(["el", "gre", "ell", "gr", "gree"], ("cp1253", "iso8859-7")),
    **dict.fromkeys(["tr", "tur", "turk"], ("cp1254",)),
    **dict.fromkeys(["he", "heb", "hebr"], ("cp1255",)),
    **dict.fromkeys(["ar", "ara", "arab"], ("cp1256",)),
    **dict.fromkeys(["th", "tha", "thai"], ("cp874",)),
    **dict.fromkeys(["vi", "vie", "viet"], ("cp1258",)),
}
#: Subsets that are declared where the superset was written.
SUPERSETS: Final = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "tis-620": "cp874",
    "iso8859-11": "cp874",
    "iso8859-9": "cp1254",
}
