#!/usr/bin/python3
"""Makes assets/fonts from Debian's fonts-noto-core and fonts-noto-cjk.

The faces are copied as they are; of the CJK collection only the simplified
Chinese face is taken out (index 2: the order is JP, KR, SC, TC, HK), because
parsing the whole collection costs 200 MB. The result is the same bytes for
the same packages. Fonts are under the SIL Open Font License 1.1.
"""
import pathlib
import shutil
import sys

from fontTools.ttLib import TTCollection

NOTO = pathlib.Path("/usr/share/fonts/truetype/noto")
CJK = pathlib.Path("/usr/share/fonts/opentype/noto")
CORE = [
    "NotoSans-Regular", "NotoSans-Bold",
    "NotoSansKhmer-Regular", "NotoSansKhmer-Bold",
    "NotoSansLao-Regular", "NotoSansLao-Bold",
    "NotoSansThai-Regular", "NotoSansThai-Bold",
    "NotoSansCham-Regular", "NotoSansCham-Bold",
    "NotoSansTaiViet-Regular", "NotoSansNewTaiLue-Regular",
    "NotoSansHebrew-Regular", "NotoSansHebrew-Bold", "NotoSansArabic-Regular", "NotoSansArabic-Bold",
    "NotoSansSymbols-Regular", "NotoSansSymbols2-Regular",
]


def take_simplified(target: pathlib.Path) -> None:
    collection = TTCollection(CJK / "NotoSansCJK-Regular.ttc")
    for face in collection.fonts:
        if str(face["name"].getDebugName(1)).startswith("Noto Sans CJK SC"):
            face.recalcTimestamp = False
            face.save(target)
            return
    sys.exit("NotoSansCJK-Regular.ttc holds no simplified Chinese face")


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name in CORE:
        target = out / f"{name}.ttf"
        if not target.exists():
            part = target.with_suffix(".part")
            shutil.copyfile(NOTO / f"{name}.ttf", part)
            part.rename(target)
    target = out / "NotoSansCJKsc-Regular.otf"
    if not target.exists():
        part = target.with_suffix(".part")
        take_simplified(part)
        part.rename(target)


if __name__ == "__main__":
    main()
