/**
 * Which kind of recording a file is, by its first bytes and nothing else: not by its name, not by what a caller says.
 *
 * The kind decides the demuxer that ffmpeg is made to use, so that no file is ever read as a playlist, a list of other
 * files or anything that reaches elsewhere. Pure.
 */

/** Kinds of recordings, each with the demuxer of ffmpeg that reads it. */
export const DEMUXERS = { wav: 'wav', mp3: 'mp3', ogg: 'ogg', flac: 'flac', mp4: 'mov', webm: 'matroska' } as const;

export type AudioFormat = keyof typeof DEMUXERS;

/** Bytes that `sniffAudio` looks at. */
export const SNIFFED_BYTES = 16;

/** What ffmpeg may decode: the usual codecs of sound, none of pictures. */
export const CODECS = [
  ...['mp3', 'mp3float', 'mp2', 'mp2float', 'aac', 'aac_latm', 'alac', 'flac'],
  ...['vorbis', 'libvorbis', 'opus', 'libopus', 'speex', 'libspeex'],
  ...['pcm_u8', 'pcm_s16le', 'pcm_s24le', 'pcm_s32le', 'pcm_f32le', 'pcm_alaw', 'pcm_mulaw', 'adpcm_ima_wav'],
].join(',');

/** The kind of the recording that begins with these bytes; undefined: none that is read. */
export function sniffAudio(head: Uint8Array): AudioFormat | undefined {
  const text = Buffer.from(head.subarray(0, SNIFFED_BYTES)).toString('latin1');
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WAVE') return 'wav';
  if (text.startsWith('fLaC')) return 'flac';
  if (text.startsWith('OggS')) return 'ogg';
  if (text.slice(4, 8) === 'ftyp') return 'mp4';
  if (text.startsWith('\x1a\x45\xdf\xa3')) return 'webm';
  if (text.startsWith('ID3') || isLayer3(head)) return 'mp3';
  return undefined;
}

/** An MPEG audio frame of layer III, with a bit rate and a sample rate that exist. */
function isLayer3([first = 0, second = 0, third = 0]: Uint8Array): boolean {
  const synchronised = first === 0xff && (second & 0xe0) === 0xe0;
  const version = (second >> 3) & 0b11;
  const layer = (second >> 1) & 0b11;
  const bitRate = third >> 4;
  const sampleRate = (third >> 2) & 0b11;
  return synchronised && version !== 0b01 && layer === 0b01 && bitRate !== 0 && bitRate !== 15 && sampleRate !== 0b11;
}
