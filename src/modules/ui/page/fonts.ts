/** The page's letters. Each file is fetched when a character of its range is shown; other scripts have the system's. */
import sansLatinExt from "@fontsource-variable/instrument-sans/files/instrument-sans-latin-ext-wght-normal.woff2";
import sansLatin from "@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-normal.woff2";
import sansRanges from "@fontsource-variable/instrument-sans/unicode.json";
import serifCyrillic from "@fontsource-variable/source-serif-4/files/source-serif-4-cyrillic-wght-normal.woff2";
import serifGreek from "@fontsource-variable/source-serif-4/files/source-serif-4-greek-wght-normal.woff2";
import serifLatinExt from "@fontsource-variable/source-serif-4/files/source-serif-4-latin-ext-wght-normal.woff2";
import serifLatin from "@fontsource-variable/source-serif-4/files/source-serif-4-latin-wght-normal.woff2";
import serifVietnamese from "@fontsource-variable/source-serif-4/files/source-serif-4-vietnamese-wght-normal.woff2";
import serifRanges from "@fontsource-variable/source-serif-4/unicode.json";

const families = [
  {
    name: "Instrument Sans",
    weight: "400 700",
    ranges: sansRanges,
    files: { latin: sansLatin, "latin-ext": sansLatinExt },
  },
  {
    name: "Source Serif 4",
    weight: "200 900",
    ranges: serifRanges,
    files: {
      latin: serifLatin,
      "latin-ext": serifLatinExt,
      cyrillic: serifCyrillic,
      greek: serifGreek,
      vietnamese: serifVietnamese,
    },
  },
];

export function addFonts(): void {
  for (const { name, weight, ranges, files } of families)
    for (const [subset, url] of Object.entries(files))
      document.fonts.add(
        new FontFace(name, `url(${url})`, {
          weight,
          display: "swap",
          unicodeRange: (ranges as Record<string, string>)[subset] ?? "U+0-10FFFF",
        }),
      );
}
