"""One colour for each label, the same in every figure of every report.

The first colours are those of Okabe and Ito ("Color Universal Design", 2008). Each of the others
is the sRGB colour farthest from all before it: the Euclidean distance in OKLab, half of it as
seen with full colour vision and half as seen with the worse of protanopia and deuteranopia
(Machado et al. 2009, severity 1). Any first n of them are therefore about as different as n
colours can be.
"""

Colour = tuple[int, int, int]

_TABLE = (
    "e69f00 56b4e9 009e73 f0e442 0072b2 d55e00 cc79a7 332288 a0a0a0 882255 64ffff 006400 ffbcc8 "
    "4ede9b a63700 a64e90 004e59 4e6f64 6f85e9 e99bff 7a8500 9bffb1 ff857a 5943a6 9bd3ff 6f2c0b "
    "7abc4e 009bbc ffbc6f a67a64 00c8bc bc4359 644e7a f490bc bc904e a664c8 bcbca6 a6d359 6f592c "
    "6f8590 a690d3 6f217a ffde9b e9deff 217a37 374e2c a6dec8 00bc85 59a643 004e85 bcb1d3 f4bcff "
    "9b642c d3597a 854eb1 593743 859bff 596fd3 00e9e9 7a6fa6 644e4e e96f7a bcb16f 16b1bc a62c4e "
    "2c7a90 c8d390 00646f ffa690 90646f 598559 90162c dee9d3 903785 216443 00d3e9 a6b1ff e9bc21 "
    "4e3764 bc64a6 2c85bc b1e97a 85a66f 376490 e97a37 c8594e 649b90 4ef4bc 9085b1 4e9bde ff9b59 "
    "a6a600 de9b9b 6f6f00 85904e bcc8d3 de85de ffc8a6 c86fc8 854e64 0059b1 bc8585 6fc89b 2c857a "
    "ffa6d3 90a6c8 a66f85 b17a37 37379b 9b4e43 219037 6fd3c8 7a004e a69000 6f6485 853700 c89b7a "
    "90e9ff 9bb190 7a6f4e bc4e00 b1bc2c a67ade 5959a6 e9d359 7a9bb1 d36f4e 90bcbc ded3de f47a9b "
    "bce9b1 594e00 c890bc a6376f deb1bc 00b19b a6c87a 00909b 00c8ff 6f3790 4ec87a d3f485 0b594e "
    "9b906f d39000 374e6f 85ffde 7a7a6f 64432c bc4e7a 6f7ac8 de9bde 7a1637 bc90f4 854337 6f376f "
    "4e4385 596400 e99059 90bce9 deb1e9 d3bc64 d3c8b1 0090de 7a7a37 64bcd3 9b59b1 85e99b 9bd3a6 "
    "00e9c8 7a3743 9b909b 4ef4de bca6b1 21436f a66f00 2c4e9b 439b4e ffd3c8 c8909b 4e5964 3764bc "
    "6f64bc 37deff 7a599b 9ba6e9 bce9e9 2c6f7a 905900 594359 2c4e00 7aa690 592c90 ffc8f4 deb185 "
    "ff9bb1 59bc9b c86f6f bc4337 007a59 ffa6ff 7ab1b1 bcbcff 59a6d3 00a6a6 b1a64e 59907a 7a90c8 "
    "43377a de6490 d38564 b16464 6f594e 90c859 9b2c21 f4bc90 dede85 a66f43 375921 d3d3ff e97abc "
    "215985 0bd3b1 1664a6 4ea6f4 9b6fb1 594e90 7a9b00 167ac8 006f37 7a439b ffde6f 6fb159 5985a6 "
    "6f6f7a 850016 4ea67a 90bc6f e9bcde 436459 90c8de 909b43 90857a 7a4364 6f1664 ffa637 9b6490 "
    "8590e9 437aa6 85dede 166f00 854e00 904e7a d37a00 c85990 907a9b "
)
_COLOURS: tuple[Colour, ...] = tuple(
    (value >> 16, value >> 8 & 255, value & 255)
    for value in (int(code, 16) for code in _TABLE.split())
)

# Five steps of ColorBrewer's "Blues" (Harrower & Brewer 2003): one hue, lighter means less, so
# that it reads the same with any colour vision and in print.
_BLUES = ((247, 251, 255), (198, 219, 239), (107, 174, 214), (33, 113, 181), (8, 48, 107))
_LIGHT_UP_TO = 0.7


def label_colour(label: int) -> Colour:
    """The colour of `label` (0 or more) as (red, green, blue), each 0 to 255.

    The table holds 256 colours; after it come the same ones, darker with every round, which
    differ from each other but not always enough for the eye.
    """
    rounds, index = divmod(label, len(_COLOURS))
    keep = 0.75 ** (rounds % 4)
    red, green, blue = _COLOURS[index]
    return round(red * keep), round(green * keep), round(blue * keep)


def hex_colour(label: int) -> str:
    """The colour of `label` as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*label_colour(label))


def share_colour(share: float) -> Colour:
    """A colour for `share` in [0, 1], nearly white at 0 and dark blue at 1."""
    place = min(max(share, 0.0), 1.0) * (len(_BLUES) - 1)
    index = min(int(place), len(_BLUES) - 2)
    low, high, part = _BLUES[index], _BLUES[index + 1], place - index
    red, green, blue = (round(a + part * (b - a)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def hex_share(share: float) -> str:
    """The colour of `share` as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*share_colour(share))


def is_light(share: float) -> bool:
    """Whether dark letters are the legible ones on the colour of `share`."""
    return share < _LIGHT_UP_TO
