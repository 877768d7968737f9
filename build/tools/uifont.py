#!/usr/bin/python3
"""Makes the font of Fyne's own widgets: one face that covers every UI language.

Fyne takes one font for a button; with fallback fonts its baselines wander and
it clips Khmer. So Noto Sans, Khmer, Lao, Thai and the characters of GB 2312
from Noto Sans CJK SC become one file in each weight, with a line height that
holds the marks of all. Text longer than a button is set by internal/typeset.
Usage: uifont.py OUT
"""
import pathlib
import sys

from fontTools import subset
from fontTools.fontBuilder import FontBuilder
from fontTools.merge import Merger
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont

NOTO = pathlib.Path("/usr/share/fonts/truetype/noto")
CJK = pathlib.Path("/usr/share/fonts/opentype/noto")
ASCENT, DESCENT = 1250, 700  # holds Khmer's and Thai's marks


def gb2312() -> set[int]:
    out = set(range(0x3000, 0x3020)) | set(range(0xFF01, 0xFF5F))
    for high in range(0xB0, 0xF8):
        for low in range(0xA1, 0xFF):
            try:
                out.add(ord(bytes([high, low]).decode("gb2312")))
            except UnicodeDecodeError:
                pass
    return out


def chinese(weight: str, target: pathlib.Path) -> None:
    """Takes the simplified face's GB 2312 part, as quadratic outlines."""
    for face in TTCollection(CJK / f"NotoSansCJK-{weight}.ttc").fonts:
        if str(face["name"].getDebugName(1)).startswith("Noto Sans CJK SC"):
            break
    else:
        sys.exit("the collection holds no simplified Chinese face")
    options = subset.Options(layout_features=[], notdef_outline=True, hinting=False, desubroutinize=True)
    cut = subset.Subsetter(options)
    cut.populate(unicodes=gb2312())
    cut.subset(face)
    order, cmap, glyphs, metrics = face.getGlyphOrder(), face.getBestCmap(), face.getGlyphSet(), face["hmtx"].metrics
    shapes = {}
    for name in order:
        pen = TTGlyphPen(None)
        glyphs[name].draw(Cu2QuPen(pen, 1.0, reverse_direction=True))
        shapes[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(cmap)
    builder.setupGlyf(shapes)
    builder.setupHorizontalMetrics({n: (metrics[n][0], shapes[n].xMin if hasattr(shapes[n], "xMin") else 0) for n in order})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=-DESCENT)
    builder.setupNameTable({"familyName": "CotMoc Han", "styleName": weight})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=-DESCENT, usWinAscent=ASCENT, usWinDescent=DESCENT)
    builder.setupPost()
    builder.font.recalcTimestamp = False
    builder.save(target)


def merged(weight: str, out: pathlib.Path) -> None:
    han = out / f"han-{weight}.part"
    chinese(weight, han)
    parts = [str(NOTO / f"{n}-{weight}.ttf") for n in ("NotoSans", "NotoSansKhmer", "NotoSansLao", "NotoSansThai")]
    font = Merger().merge([*parts, str(han)])
    han.unlink()
    font["hhea"].ascent, font["hhea"].descent, font["hhea"].lineGap = ASCENT, -DESCENT, 0
    os2 = font["OS/2"]
    os2.sTypoAscender, os2.sTypoDescender, os2.sTypoLineGap = ASCENT, -DESCENT, 0
    os2.usWinAscent, os2.usWinDescent = ASCENT, DESCENT
    for record in font["name"].names:  # the OFL keeps Noto's name for Noto's own files
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = f"CotMocUI-{weight}"
    font["head"].created = font["head"].modified = 3600000000
    font.recalcTimestamp = False
    part = out / f"ui-{weight}.part"
    font.save(part)
    part.rename(out / f"CotMocUI-{weight}.ttf")


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for weight in ("Regular", "Bold"):
        if not (out / f"CotMocUI-{weight}.ttf").exists():
            merged(weight, out)


if __name__ == "__main__":
    main()
