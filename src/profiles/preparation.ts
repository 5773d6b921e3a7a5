/**
 * Any string made safe for the linguistic library, which takes time quadratic in the length of a run without a space.
 *
 * Promises: bounded output; the same text gives the same output; ordinary English passes unchanged but for straight
 * apostrophes.
 */

/** Words of a text that are looked at; what follows is ignored. */
export const WORD_LIMIT = 20_000;

/** Characters of a text that are looked at, before the word limit. */
export const CHARACTER_LIMIT = 120_000;

/** Characters without a space after which one is put in: the library's time is quadratic in the length of such a run. */
export const CHUNK_LIMIT = 100;

/** Wide punctuation with what it is in ASCII. */
const WIDE: Readonly<Record<string, string>> = {
  '。': '.',
  '！': '!',
  '？': '?',
  '，': ',',
  '、': ',',
  '；': ';',
  '：': ':',
};

/**
 * The part of a text that is looked at, made safe: one kind of line end and apostrophe, no control characters, no run
 * without a space over `CHUNK_LIMIT`. In scripts written without spaces each character counts as a word.
 */
export function prepare(text: string): string {
  const cut = text
    .slice(0, CHARACTER_LIMIT)
    .replace(/\p{Surrogate}/gu, ' ')
    .replace(/\r\n?|\u2028|\u2029|\u0085/g, '\n')
    .replace(/[’ʼ＇]/g, "'")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u200b\u2060\ufeff]/g, ' ')
    .replace(/[。！？，、；：]/g, (mark) => `${WIDE[mark] ?? mark} `)
    .replace(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu, '$& ')
    .replace(CHUNK, '$& ')
    .trim();
  let words = 0;
  for (const match of cut.matchAll(/\S+/g)) {
    words += 1;
    if (words > WORD_LIMIT) return cut.slice(0, match.index);
  }
  return cut;
}

const CHUNK = new RegExp(`\\S{${CHUNK_LIMIT}}(?=\\S)`, 'gu');
