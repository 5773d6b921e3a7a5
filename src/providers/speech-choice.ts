/**
 * Which engine turns speech into text here: the service that is set, else the program of this machine, else none.
 *
 * Promises: choosing opens nothing; a program that is missing is said when it is needed, and by `/health`.
 */

import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { FFMPEG, FFPROBE, locate, POCKETSPHINX, type Programs, whatToInstall } from './programs.ts';
import type { Speech, Transcript } from './speech.ts';
import { PocketsphinxSpeech } from './speech-pocketsphinx.ts';
import { RemoteSpeech } from './speech-remote.ts';

const CURE = 'Set SPEECH_URL to a service that speaks the OpenAI transcription protocol, or SPEECH_OFFLINE=on.';

/** Nobody listens: each call is `provider-not-configured`. */
export class NoSpeech implements Speech {
  readonly engine = 'none';

  async transcribe(): Promise<Transcript> {
    throw new AppError('provider-not-configured', `There is no speech recognition here. ${CURE}`);
  }
}

type SpeechConfig = Pick<Config, 'SPEECH_URL' | 'SPEECH_API_KEY' | 'SPEECH_MODEL' | 'SPEECH_OFFLINE'>;

/** The engine that the configuration asks for: a service, else the program of this machine, unless that is off. */
export function chooseSpeech(config: SpeechConfig, programs: Programs): Speech {
  const { SPEECH_URL: url, SPEECH_API_KEY: apiKey, SPEECH_MODEL: model } = config;
  if (url !== undefined) return new RemoteSpeech({ url, apiKey, model });
  return config.SPEECH_OFFLINE === 'on' ? new PocketsphinxSpeech({ programs }) : new NoSpeech();
}

/** How transcription stands on this machine, for `/health`. */
export interface SpeechState {
  readonly name: 'speech';
  readonly state: 'remote' | 'pocketsphinx' | 'not configured';
  /** Only the offline engine serves: good for trying, not for relying on. */
  readonly experimental: boolean;
  /** What to set or to install, where there is none. */
  readonly reason?: string;
}

/** Look at the configuration and at the programs of this machine. */
export async function speechState(config: SpeechConfig, programs: Programs): Promise<SpeechState> {
  const { SPEECH_URL: url, SPEECH_OFFLINE: offline } = config;
  const name = 'speech';
  const none = (reason: string) => ({ name, state: 'not configured', experimental: false, reason }) as const;
  if (url === undefined && offline === 'off') return none(CURE);
  for (const source of [FFMPEG, FFPROBE, ...(url === undefined ? [POCKETSPHINX] : [])]) {
    if ((await locate(source)) !== undefined) continue;
    return none((await programs.installing()) ? `${source.name} is being installed.` : whatToInstall(source));
  }
  return url === undefined
    ? { name, state: 'pocketsphinx', experimental: true }
    : { name, state: 'remote', experimental: false };
}
