"""The words of a harbour: pools that are English, and names that are invented from a seed."""

from __future__ import annotations

import random

JOBS = """baker cooper fiddler glazier tanner weaver pilot ropemaker cobbler fletcher miller chandler
potter barber brewer carter clerk diver farrier gilder tailor mason printer sailmaker""".split()
DISHES = """chowder dumplings flatbread gingerbread haddock kippers lentils mussels oysters pancakes
porridge pudding radishes salmon scones sprats stew turnips trifle waffles whelks herring noodles
custard""".split()
BOATS = """Albatross Bittern Cormorant Dunlin Eider Fulmar Gannet Heron Kestrel Lapwing Merlin Osprey
Petrel Plover Puffin Redshank Sandpiper Shearwater Skua Swift Tern Turnstone Whimbrel Wigeon""".split()
DISTRICTS = """Eastgate Westgate Hightown Lowtown Oldport Newport Saltmarsh Cliffside Riverside Netloft
Sandspit Millbrook""".split()
GOODS = """anchors barrels baskets bells blankets boots bottles brushes buckets buttons candles chairs
clocks combs hammers hats kettles lanterns maps mirrors needles nets paddles ribbons""".split()
LANES = """Anchor Barley Cable Ember Falcon Garnet Hazel Juniper Kelp Lantern Maple Nettle Orchard Pebble
Quarry Rushes Saffron Thistle Umber Violet Walnut Yarrow Copper Willow""".split()
PARTS = """alum ash beeswax borax brine chalk charcoal clay copperas galls glue honey indigo iron kelp lime
linseed lye madder malt mica nitre ochre pitch potash resin rosin sulphur tallow tar tin turf verdigris
vinegar wax yeast""".split()
PROCESSES = "boil dry grind heat press soak steam strain".split()
HARMFUL = "bane blight rot scorch venom".split()
HARMLESS = "bread broth lamp rope soap".split()
HARMS = {
    "bane": "burns the skin",
    "blight": "ruins the lungs",
    "rot": "eats the bones",
    "scorch": "blinds the eyes",
    "venom": "stops the heart",
}
USES = {
    "bread": "fills the belly",
    "broth": "warms the bones",
    "lamp": "lights the way",
    "rope": "ties the boats",
    "soap": "washes the hands",
}
REMEDIES = {"bane": "milk", "blight": "steam", "rot": "salt", "scorch": "water", "venom": "charcoal"}
GUILDS = "Anvil Bell Loom Quill".split()
TASTES = {  # topics on which the guilds differ, each of them right for its own people
    "feast": DISHES,
    "gift": GOODS,
    "song": BOATS,
    "walk": LANES,
}

FIRST = "ba be bo da de do fa fe ga go ha he jo ka ke ko la le li lo ma me mi mo na ne ni no pa pe ra re ri".split()
FIRST += "ro sa se so ta te ti to va ve vi wa we ya yo za".split()
ENDS = "bel bin dan dor fin gar kin lan len lis lo mar men mir na nel nia ra ren ric ril sha sil ta vin wen".split()


def invented(rng: random.Random, count: int, taken: set[str], syllables: int = 2) -> list[str]:
    """`count` capitalised names that are new: "Belmar", "Tovin". Adds them to `taken`."""
    names: list[str] = []
    while len(names) < count:
        name = "".join(rng.choice(FIRST) for _ in range(syllables - 1)) + rng.choice(ENDS)
        name = name.capitalize()
        if name.lower() not in taken:
            taken.add(name.lower())
            names.append(name)
    return names
