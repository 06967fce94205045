"""Which language a text is in, told by its script, by letters that one language uses, and by small words.

Thirty languages, those of IFEval's instructions. No model and no data file: enough for "answer in Hindi", not
for telling Norwegian from Danish. "" where it cannot be told.
"""

from __future__ import annotations

import re
from collections import Counter

from truenorth.judges.checks._text import MARKS

SCRIPTS = {  # the letters and vowel signs of each script
    name: re.compile(f"[{ranges}]")
    for name, ranges in {
        "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
        "cyrillic": "\u0400-\u052f",
        "hebrew": "\u05d0-\u05ea",
        "arabic": "\u0620-\u06ff\u0750-\u077f\ufb50-\ufefc",
        "devanagari": "\u0900-\u097f",
        "bengali": "\u0980-\u09ff",
        "gurmukhi": "\u0a00-\u0a7f",
        "gujarati": "\u0a80-\u0aff",
        "tamil": "\u0b80-\u0bff",
        "telugu": "\u0c00-\u0c7f",
        "kannada": "\u0c80-\u0cff",
        "malayalam": "\u0d00-\u0d7f",
        "thai": "\u0e00-\u0e7f",
        "kana": "\u3040-\u30ff",
        "han": "\u4e00-\u9fff",
        "hangul": "\u1100-\u11ff\uac00-\ud7a3",
    }.items()
}
READ = 5000  # characters of a text that are looked at
KANA = 0.1  # Japanese has more kana than this share of its Chinese characters; a Chinese text may quote one
ONLY = {  # scripts of one language
    "hebrew": "he",
    "bengali": "bn",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "thai": "th",
    "han": "zh",
    "hangul": "ko",
}
WORDS = {  # frequent small words, most of them used by one language of a script only
    "latin": {
        "en": "the of and to is that it for was with as his he be are this have from which you not they had by "
        "at or an were their has all shall everyone who",
        "es": "el los las del que y en es por con una para como su al lo más pero sus muy también toda persona "
        "tiene derecho sin ni",
        "pt": "os das dos que e em é não uma com para ao mais como mas foi ele são seu sua pelo também você toda "
        "pessoa tem ou à",
        "fr": "le les des et est que une dans qui pour pas au du sur il avec ce sont être cette ou toute droit "
        "aux nous vous",
        "de": "der die und das ist nicht mit den dem von zu ein eine auf für im sich auch wird oder hat jeder "
        "recht bei nach sind",
        "it": "il di che è e per una non gli della del con sono più alla nel dei le ogni individuo diritto ha "
        "ad lo ed anche",
        "pl": "i w na z się nie do jest że to o jak za od po przez ma każdy prawo oraz lub do są tego człowiek",
        "vi": "và của là có được cho không với các những một người trong này đó tôi quyền mọi đều theo",
        "sw": "na ya wa kwa ni katika za cha la kila mtu haki yake au kuwa hii hiyo watu wote pia ana yote bila",
        "fi": "ja on ei että se hän joka tai ovat oli mutta kun niin jokaisella oikeus sekä kuin myös hänen olla",
    },
    "cyrillic": {
        "ru": "и в не на что с он как это по но из у к за от для его или быть имеет право каждый человек при о",
        "uk": "і в не на що з та як це до за від для його або бути має право кожна людина він у й є про",
        "bg": "и в не на се за да от че с като това по е или който има право всеки човек са при към му си без",
    },
    "arabic": {
        "ar": "في من على أن إلى التي هذا كل أو ولا عن مع ما لا كان هذه حق شخص له الحق الذي بين",
        "fa": "در از به که را این با است و برای آن یک هر کس دارد حق باید خود یا شود می",
        "ur": "کے کی ہے کا میں سے اور کو ہیں نے پر کہ یہ کر اس ہر شخص حق ہو جائے گا بھی نہیں",
    },
    "devanagari": {
        "hi": "के की है में से और को का हैं ने पर कि यह हो प्रत्येक व्यक्ति अधिकार भी नहीं एक इस जो किसी",
        "mr": "आहे आणि व या किंवा च्या हा ही ते त्या प्रत्येक हक्क असा नाही मध्ये आहेत असे त्याच्या करण्याचा मी एक",
        "ne": "छ र को मा ले लाई हुनेछ गर्ने वा यो पनि प्रत्येक व्यक्तिलाई अधिकार हो हुन्छ गर्न छन् सबै",
    },
}
LETTERS = {  # letters that decide: each counts like a word
    "ru": "ыэёЫЭЁ",
    "uk": "іїєґІЇЄҐ",
    "bg": "ъЪ",
    "fa": "پچژ",
    "ur": "ٹڈڑںےہھ",
    "ar": "ةىأإؤئ",
    "es": "ñ¿¡Ñ",
    "pt": "ãõÃÕ",
    "de": "ßäöüÄÖÜ",
    "pl": "ąęłśżźćńĄĘŁŚŻŹĆŃ",
    "vi": "ăđơưĂĐƠƯạảấầẩẫậắằẳẵặẹẻẽếềểễệịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "fr": "çœêèÇŒÊÈ",
    "fi": "äÄ",
    "mr": "ळ",
}
WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}\u200c\u200d])*")
TABLE = {
    script: {name: frozenset(words.split()) for name, words in languages.items()}
    for script, languages in WORDS.items()
}


def language_of(text: str) -> str:
    """The ISO 639-1 code, or "" where no script, word or letter decides.

    >>> language_of("Der Hafen ist nicht weit."), language_of("12 + 3")
    ('de', '')
    """
    text = text[:READ]
    scripts = Counter({name: n for name, letters in SCRIPTS.items() if (n := len(letters.findall(text)))})
    if not scripts:
        return ""
    if scripts["kana"] > KANA * scripts["han"] and scripts["kana"] + scripts["han"] > scripts["latin"]:
        return "ja"
    script = max(scripts, key=lambda s: scripts[s])
    if script in ONLY:
        return ONLY[script]
    said = Counter(w.lower() for w in WORD.findall(text))
    counts = {
        name: sum(said[w] for w in known) + 0.5 * sum(map(text.count, LETTERS.get(name, "")))
        for name, known in TABLE[script].items()
    }
    first, second = sorted(counts, key=lambda name: -counts[name])[:2]
    return first if counts[first] > counts[second] else ""
