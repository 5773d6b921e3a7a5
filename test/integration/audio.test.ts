/** Recordings of every kind are decoded; what is none, or means harm, is refused and does nothing else. */

import { createReadStream, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAppError } from '../../src/errors.ts';
import { Audio, type Probed, type Sound } from '../../src/providers/audio.ts';
import { Programs } from '../../src/providers/programs.ts';
import { wavHeader } from '../../src/providers/wav.ts';
import { INSTALL_MS, missingSpeechPrograms, Recordings, SENTENCE } from '../support/recordings.ts';

let recordings: Recordings;
let missing = '';
let spokenMs = 0;
let audio: Audio;
const trap = createServer((_request, response) => {
  visits += 1;
  response.end('#EXTM3U\n');
});
let visits = 0;
let trapUrl = '';

beforeAll(async () => {
  missing = await missingSpeechPrograms();
  recordings = new Recordings();
  await mkdir(recordings.path('work'));
  audio = make();
  await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
  trapUrl = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/x.ts`;
  if (missing !== '') return;
  const { size } = await stat(await recordings.speak(SENTENCE));
  spokenMs = (size - 44) / 32;
}, INSTALL_MS);

beforeEach(({ skip }) => {
  if (missing !== '') skip(missing);
});

afterEach(() => {
  vi.unstubAllEnvs();
  // Whatever a test did, no private folder is left and nobody was called.
  expect(readdirSync(recordings.path('work'))).toEqual([]);
  expect(visits).toBe(0);
});

afterAll(() => {
  recordings?.remove();
  trap.close();
});

function make(maxSeconds = 60): Audio {
  const programs = new Programs({ dataDir: recordings.folder });
  return new Audio({ programs, maxSeconds, folder: recordings.path('work') });
}

const signal = AbortSignal.timeout(INSTALL_MS);
const spoken = () => recordings.path('spoken.wav');

/** Decode a file or bytes; what came out, and what was told on the way. */
async function decode(source: string | Uint8Array, by = audio, until = signal) {
  const stream = typeof source === 'string' ? createReadStream(source) : Readable.from([source]);
  let facts: Probed | undefined;
  const probed = async (told: Probed) => {
    facts = told;
  };
  const sound: Sound & { bytes: number } = await by.decode(stream, { signal: until, probed }, async (each) => ({
    ...each,
    bytes: (await stat(each.path)).size,
  }));
  return { facts, sound };
}

const refusalOf = (source: string | Uint8Array, by = audio) =>
  decode(source, by).then(
    () => expect.unreachable('it was decoded'),
    (error: unknown) => (isAppError(error) ? error : expect.unreachable(String(error))),
  );

describe('a recording', () => {
  it.each([
    ['wav', ['-c:a', 'pcm_s16le']],
    ['wav', ['-c:a', 'pcm_s24le', '-ar', '44100', '-ac', '2']],
    ['mp3', ['-b:a', '48k']],
    ['mp3', ['-b:a', '48k', '-write_xing', '0', '-id3v2_version', '0']],
    ['ogg', ['-c:a', 'libopus']],
    ['ogg', ['-c:a', 'libvorbis']],
    ['flac', []],
    ['mp4', ['-c:a', 'aac', '-f', 'ipod']],
    ['webm', ['-c:a', 'libopus', '-live', '1']],
  ])('of the kind %s (%j) becomes 16 kHz mono samples with an outline', async (format, args) => {
    const { facts, sound } = await decode(await recordings.make(`it.${format}`, '-i', spoken(), ...args));
    expect(facts?.format).toBe(format);
    expect(Math.abs(sound.durationMs - spokenMs)).toBeLessThan(150);
    expect(sound.bytes).toBe(sound.durationMs * 32 - ((sound.durationMs * 32) % 2));
    expect(sound.peaks.length).toBe(800);
    expect(Math.max(...sound.peaks)).toBeGreaterThan(0.1);
    expect(sound.peaks.every((peak) => peak >= 0 && peak <= 1)).toBe(true);
  });

  it('may come with a picture on its cover, or be the sound of a film', async () => {
    await recordings.make('cover.png', '-f', 'lavfi', '-i', 'color=red:s=300x300', '-frames:v', '1');
    const cover = ['-i', spoken(), '-i', recordings.path('cover.png'), '-map', '0', '-map', '1', '-c:v', 'mjpeg'];
    const song = await recordings.make('song.mp3', ...cover, '-disposition:v', 'attached_pic');
    expect((await decode(song)).facts).toMatchObject({ format: 'mp3' });
    const film = ['-i', spoken(), '-f', 'lavfi', '-i', 'testsrc=d=6', '-c:v', 'libx264', '-c:a', 'aac'];
    expect((await decode(await recordings.make('film.mp4', ...film))).facts).toMatchObject({ format: 'mp4' });
  });

  it('is taken for what its bytes say, whatever its name', async () => {
    const wrong = await recordings.make('really-flac.mp3', '-i', spoken(), '-f', 'flac');
    expect((await decode(wrong)).facts).toMatchObject({ format: 'flac' });
  });

  it('that just fits is decoded, and a longer one refused before or after decoding', async () => {
    const quiet = (seconds: string, name: string, ...more: string[]) =>
      recordings.make(name, '-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', seconds, ...more);
    const three = make(3);
    expect((await decode(await quiet('3', 'fits.wav'), three)).sound.durationMs).toBe(3000);
    const long = await quiet('3.2', 'long.flac');
    expect(await refusalOf(long, three)).toMatchObject({ code: 'audio-too-long' });
    const silent = await quiet('3.2', 'silent.webm', '-c:a', 'libopus', '-live', '1');
    expect(await refusalOf(silent, three)).toMatchObject({ code: 'audio-too-long' });
  });

  it('ends with its attempt: the program is killed and the folder is gone', async () => {
    const hours = await recordings.make('hours.wav', '-f', 'lavfi', '-i', 'anoisesrc=r=8000', '-t', '3000');
    const ending = new AbortController();
    const reason = new Error('the attempt is over');
    const slow = make(3600).decode(createReadStream(hours), { signal: ending.signal }, async () => 'decoded');
    const work = recordings.path('work');
    const written = () => readdirSync(work, { recursive: true }).some((name) => String(name).endsWith('sound.pcm'));
    await vi.waitUntil(written, { timeout: 20_000, interval: 2 });
    ending.abort(reason);
    await expect(slow).rejects.toBe(reason);
  });

  it('whose reader breaks off leaves no folder', async () => {
    async function* breaking() {
      yield readFileSync(spoken()).subarray(0, 5000);
      throw new Error('the storage broke off');
    }
    await expect(audio.decode(breaking(), { signal }, async () => 'decoded')).rejects.toThrow('the storage broke off');
  });
});

describe('what is no recording', () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const behind = (magic: string, value: string) => Buffer.from(magic + value, 'latin1');
  const playlist = () => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${trapUrl}\n#EXT-X-ENDLIST\n`;
  const hostile: readonly (readonly [string, () => Uint8Array | Promise<Uint8Array>])[] = [
    ['nothing', () => new Uint8Array()],
    ['a text', () => text('This is only text. '.repeat(100))],
    ['a text that begins with a byte order mark', () => behind('\xff\xfe', 't\0e\0x\0t\0'.repeat(100))],
    ['a playlist (HLS)', () => text(playlist())],
    ['a playlist that begins like an MP3', () => behind('ID3\x04\0\0\0\0\0\0', playlist())],
    ['a playlist that begins like a WAV', () => behind('RIFF\0\0\0\0WAVE', playlist())],
    ['a playlist that begins like an Ogg', () => behind('OggS', playlist())],
    ['a list of files (concat)', () => text(`ffconcat version 1.0\nfile '${spoken()}'\nfile '${trapUrl}'\n`)],
    ['a DASH manifest', () => text(`<?xml version="1.0"?><MPD><BaseURL>${trapUrl}</BaseURL></MPD>`)],
    ['a zip', () => behind('PK\x03\x04', '\0'.repeat(500))],
    [
      'a picture',
      async () => readFileSync(await recordings.make('p.png', '-f', 'lavfi', '-i', 'testsrc', '-frames:v', '1')),
    ],
    [
      'a film without sound',
      async () => readFileSync(await recordings.make('mute.mp4', '-f', 'lavfi', '-i', 'testsrc=d=1')),
    ],
    ['a film from elsewhere (dref)', () => behind('\0\0\0\x1cftypqt  ', `\0\0\0\0moov dref url ${trapUrl}`)],
    ['a WAV header alone', () => wavHeader(32_000)],
    ['a WAV of impossible numbers', () => Buffer.from(wavHeader(32_000)).fill(0xff, 20, 36)],
    ['a FLAC of garbage', () => behind('fLaC', 'garbage '.repeat(1000))],
    ['a WebM of garbage', () => behind('\x1a\x45\xdf\xa3', 'garbage '.repeat(1000))],
    ['an MP4 of garbage', () => behind('\0\0\0\x1cftypM4A ', 'garbage '.repeat(1000))],
    ['an MP3 of nothing but its first frame header', () => Buffer.from([0xff, 0xfb, 0x90, 0x64])],
    ['an MP3 cut in the middle', () => cut('mp3', 0.5, '-b:a', '48k')],
    ['a FLAC cut in the middle', () => cut('flac', 0.5)],
    ['an M4A cut in the middle', () => cut('m4a', 0.5)],
  ];

  async function cut(kind: string, share: number, ...args: string[]): Promise<Uint8Array> {
    const whole = readFileSync(await recordings.make(`whole.${kind}`, '-i', spoken(), ...args));
    return whole.subarray(0, Math.floor(whole.length * share));
  }

  it.each(hostile)('is refused for good: %s', async (_name, bytes) => {
    const refusal = await refusalOf(await bytes());
    expect(refusal).toMatchObject({ code: 'audio-unreadable', retry: 'never' });
    expect(refusal.message).not.toContain(recordings.folder);
  });

  it('is refused at once when it claims ten hours', async () => {
    const begun = Date.now();
    const ten = await recordings.make('ten.flac', '-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '36000');
    const made = Date.now() - begun;
    expect(await refusalOf(ten)).toMatchObject({ code: 'audio-too-long', retry: 'never' });
    expect(Date.now() - begun - made).toBeLessThan(5000);
  });
});

describe('a machine without ffmpeg', () => {
  it('says what to install, and says "later" while npm start installs it', async () => {
    vi.stubEnv('PATH', recordings.folder);
    const refusal = await refusalOf(spoken());
    expect(refusal).toMatchObject({ code: 'program-missing', retry: 'never' });
    expect(refusal.message).toContain('apt-get install ffmpeg');
    writeFileSync(recordings.path('installing'), '');
    await expect(decode(spoken())).rejects.toMatchObject({ name: 'Snooze' });
    // A file that a killed npm start has left says nothing for ever.
    utimesSync(recordings.path('installing'), 0, 0);
    expect(await refusalOf(spoken())).toMatchObject({ code: 'program-missing' });
  });
});

describe('folders that killed processes have left', () => {
  it('are counted, then removed, the fresh ones not', async () => {
    const parent = recordings.path('left');
    for (const name of ['millrace-audio-old', 'millrace-audio-new', 'somebody-else']) {
      await mkdir(`${parent}/${name}`, { recursive: true });
      writeFileSync(`${parent}/${name}/input`, 'x'.repeat(100));
    }
    utimesSync(`${parent}/millrace-audio-old`, 0, 0);
    utimesSync(`${parent}/somebody-else`, 0, 0);
    const sweeping = new Audio({ programs: new Programs({ dataDir: parent }), maxSeconds: 1, folder: parent });
    expect(await sweeping.removeExpired({ dryRun: true, signal })).toEqual({ removed: 1, bytes: 100 });
    expect(readdirSync(parent).length).toBe(3);
    const over = AbortSignal.abort(new Error('over'));
    await expect(sweeping.removeExpired({ dryRun: false, signal: over })).rejects.toThrow('over');
    expect(readdirSync(parent).length).toBe(3);
    expect(await sweeping.removeExpired({ dryRun: false, signal })).toEqual({ removed: 1, bytes: 100 });
    expect(readdirSync(parent).sort()).toEqual(['millrace-audio-new', 'somebody-else']);
  });
});
