/**
 * Small fixed lists of English words and phrases that style features count.
 *
 * Promises: lower case, contractions written out (as the analysis gives them), no duplicates. Sources: hedges after
 * Hyland (2005), Metadiscourse; intensifiers are the amplifiers and emphatics of Biber (1988), Variation across Speech
 * and Writing; greetings and sign-offs are those of common letters and mails. Chosen words, not copied lists.
 */

/** Phrases by their first word, longest first, each as a list of words. */
export type Lexicon = ReadonlyMap<string, readonly (readonly string[])[]>;

/** A lexicon from phrases, of which a comma separates two. */
function lexicon(phrases: string): Lexicon {
  const byFirst = new Map<string, string[][]>();
  for (const phrase of phrases.split(',')) {
    const words = phrase.trim().split(/\s+/);
    const first = words[0] ?? '';
    byFirst.set(
      first,
      [...(byFirst.get(first) ?? []), words].sort((a, b) => b.length - a.length),
    );
  }
  return byFirst;
}

/** Words that weaken a claim. */
export const HEDGES = lexicon(`
  perhaps, maybe, possibly, probably, presumably, apparently, seemingly, supposedly, arguably, conceivably, likely,
  might, may, seem, seems, seemed, appear to, appears to, tend to, tends to, somewhat, fairly, rather, relatively,
  kind of, sort of, more or less, to some extent, in some ways, in a sense, a bit, a little, roughly, approximately,
  generally, usually, typically, mostly, in general, in most cases, i think, i believe, i guess, i suppose, i feel,
  i would say, we think, we believe, in my opinion, in my view, in our view, it seems, it is possible, could potentially,
  potentially, basically, virtually, practically, almost, if possible, as far as i know, to my knowledge
`);

/** Words that strengthen a claim. */
export const INTENSIFIERS = lexicon(`
  very, really, extremely, absolutely, totally, completely, entirely, utterly, thoroughly, fully, perfectly, highly,
  deeply, greatly, strongly, incredibly, amazingly, insanely, truly, definitely, certainly, surely, undoubtedly,
  literally, simply, super, quite, enormously, tremendously, exceptionally, remarkably, particularly, especially,
  a lot, so much, so very, such a, such an, for sure, without a doubt, of course, way too, far too, always, never ever
`);

/** First words of a text that greet. */
export const GREETINGS = lexicon(`
  hi, hello, hey, heya, hiya, howdy, dear, greetings, welcome, good morning, good afternoon, good evening, good day,
  to whom it may concern
`);

/** First words of a last line that take leave. */
export const SIGN_OFFS = lexicon(`
  best, best wishes, best regards, regards, kind regards, warm regards, warmest regards, with regards, sincerely,
  yours, yours sincerely, yours faithfully, yours truly, respectfully, cordially, cheers, thanks, thanks again,
  many thanks, thanks so much, thank you, thank you again, thank you so much, with thanks, warmly, love, lots of love,
  hugs, xoxo, take care, talk soon, see you, see you soon, see you there, until next time, all the best, bye,
  have a great day, have a nice day, have a good one, have a great week, have a great weekend, have a lovely day
`);

/** Forms of "to be" that can carry a passive. */
export const BE = new Set(['am', 'is', 'are', 'was', 'were', 'be', 'been', 'being', "'s", "'re", "'m"]);

/** Past participles that do not end in -ed. */
export const IRREGULAR_PARTICIPLES = new Set(
  `beaten become begun bent bet bitten bled blown bought bound bred broken brought built burnt burst cast caught chosen
  cut dealt done drawn driven drunk dug eaten fallen fed felt flown forbidden forgiven forgotten fought found frozen
  given grown hanged heard held hidden hit hung hurt kept known laid led left lent let lit lost made meant met mistaken
  overcome paid proven put quit read rid ridden rung said seen sent set sewn shaken shed shot shown shrunk shut sold
  sought spent split spoken spread spun stolen struck stuck sung sunk sworn swept swum taken taught thought thrown told
  torn understood undertaken undone upheld withdrawn withheld woken won worn wound woven written`.split(/\s+/),
);

/** Words in -ed that after "to be" are most often adjectives. */
export const ADJECTIVES_IN_ED = new Set(
  `advanced amazed annoyed ashamed bored concerned confused convinced delighted determined dedicated detailed
  disappointed embarrassed excited exhausted experienced frightened honored honoured hundred impressed inclined indeed
  interested limited married naked overwhelmed pleased prepared qualified related relaxed relieved sacred satisfied
  scared scheduled shocked sophisticated surprised talented thrilled tired used wicked worried`.split(/\s+/),
);

/** Pronouns and auxiliaries that can stand before a verb without being part of what it means. */
export const AUXILIARIES = new Set(
  `i we you they he she it to will would can could shall should may might must do does did is are was were be been have
  has had please`.split(/\s+/),
);

/** Pronouns of the first person. */
export const FIRST_PERSON = new Set('i me my mine myself we us our ours ourselves'.split(' '));

/** Pronouns of the second person. */
export const SECOND_PERSON = new Set('you your yours yourself yourselves'.split(' '));

/** How many phrases of a lexicon occur in a list of words; none overlap. */
export function countPhrases(words: readonly string[], phrases: Lexicon): number {
  let count = 0;
  for (let i = 0; i < words.length; i += 1) {
    const found = phraseAt(words, i, phrases);
    if (found === 0) continue;
    count += 1;
    i += found - 1;
  }
  return count;
}

/** How many words the longest phrase has that begins at this place; 0 when none does. */
export function phraseAt(words: readonly string[], at: number, phrases: Lexicon): number {
  const first = words[at];
  if (first === undefined) return 0;
  const match = phrases.get(first)?.find((phrase) => phrase.every((word, k) => words[at + k] === word));
  return match?.length ?? 0;
}
