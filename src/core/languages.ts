/** The languages of Whisper: ISO codes and the names that OpenAI uses for them. Source: openai/whisper, tokenizer.py. */

const names = new Map(
  Object.entries({
    en: "english",
    zh: "chinese",
    de: "german",
    es: "spanish",
    ru: "russian",
    ko: "korean",
    fr: "french",
    ja: "japanese",
    pt: "portuguese",
    tr: "turkish",
    pl: "polish",
    ca: "catalan",
    nl: "dutch",
    ar: "arabic",
    sv: "swedish",
    it: "italian",
    id: "indonesian",
    hi: "hindi",
    fi: "finnish",
    vi: "vietnamese",
    he: "hebrew",
    uk: "ukrainian",
    el: "greek",
    ms: "malay",
    cs: "czech",
    ro: "romanian",
    da: "danish",
    hu: "hungarian",
    ta: "tamil",
    no: "norwegian",
    th: "thai",
    ur: "urdu",
    hr: "croatian",
    bg: "bulgarian",
    lt: "lithuanian",
    la: "latin",
    mi: "maori",
    ml: "malayalam",
    cy: "welsh",
    sk: "slovak",
    te: "telugu",
    fa: "persian",
    lv: "latvian",
    bn: "bengali",
    sr: "serbian",
    az: "azerbaijani",
    sl: "slovenian",
    kn: "kannada",
    et: "estonian",
    mk: "macedonian",
    br: "breton",
    eu: "basque",
    is: "icelandic",
    hy: "armenian",
    ne: "nepali",
    mn: "mongolian",
    bs: "bosnian",
    kk: "kazakh",
    sq: "albanian",
    sw: "swahili",
    gl: "galician",
    mr: "marathi",
    pa: "punjabi",
    si: "sinhala",
    km: "khmer",
    sn: "shona",
    yo: "yoruba",
    so: "somali",
    af: "afrikaans",
    oc: "occitan",
    ka: "georgian",
    be: "belarusian",
    tg: "tajik",
    sd: "sindhi",
    gu: "gujarati",
    am: "amharic",
    yi: "yiddish",
    lo: "lao",
    uz: "uzbek",
    fo: "faroese",
    ht: "haitian creole",
    ps: "pashto",
    tk: "turkmen",
    nn: "nynorsk",
    mt: "maltese",
    sa: "sanskrit",
    lb: "luxembourgish",
    my: "myanmar",
    bo: "tibetan",
    tl: "tagalog",
    mg: "malagasy",
    as: "assamese",
    tt: "tatar",
    haw: "hawaiian",
    ln: "lingala",
    ha: "hausa",
    ba: "bashkir",
    jw: "javanese",
    su: "sundanese",
    yue: "cantonese",
  }),
);

/** Other names and codes of the same languages: the first part is OpenAI's, the second what ISO 639 calls them today. */
const aliases = new Map(
  Object.entries({
    burmese: "my",
    valencian: "ca",
    flemish: "nl",
    haitian: "ht",
    letzeburgesch: "lb",
    pushto: "ps",
    panjabi: "pa",
    moldavian: "ro",
    moldovan: "ro",
    sinhalese: "si",
    castilian: "es",
    mandarin: "zh",

    jv: "jw",
    nb: "no",
    fil: "tl",
    cmn: "zh",
    iw: "he",
  }),
);

for (const [code, name] of names) aliases.set(name, code);

export const languageCodes: readonly string[] = [...names.keys()];

const taggedCode = /^([a-z]{2,3})(?:[-_][a-z0-9]{1,8}){1,4}$/;

/**
 * The Whisper code of a language given as a code, an English name or an alias, in any case, or as a code with a region or
 * script (`en-US`, `pt_BR`). null when it is none of them. "auto" is no language: the caller deals with it.
 */
export function parseLanguage(text: string): string | null {
  const wanted = text.trim().toLowerCase();
  const candidates = [wanted, taggedCode.exec(wanted)?.[1] ?? wanted];
  for (const candidate of candidates) {
    if (names.has(candidate)) return candidate;
    const code = aliases.get(candidate);
    if (code !== undefined) return code;
  }
  return null;
}

/** OpenAI's name of a Whisper code: full, English, lower-case. A code that is not in the table is its own name. */
export function languageName(code: string): string {
  return names.get(code) ?? code;
}
