/**
 * Which engine turns speech into text here: the service that is set, else the program of this machine, else none.
 *
 * Promises: choosing opens nothing; a program that is missing is said when it is needed, and by `/health`.
 */

import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { FFMPEG, FFPROBE, locate, POCKETSPHINX, type Programs } from './programs.ts';
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
  readonly state: 'remote' | 'pocketsphinx' | 'not configured';
  /** Only the offline engine serves: good for trying, not for relying on. */
  readonly experimental: boolean;
}

/** Look at the configuration and at the programs of this machine. */
export async function speechState(config: SpeechConfig): Promise<SpeechState> {
  const decoders = await Promise.all([locate(FFMPEG), locate(FFPROBE)]);
  if (decoders.includes(undefined)) return { state: 'not configured', experimental: false };
  if (config.SPEECH_URL !== undefined) return { state: 'remote', experimental: false };
  const offline = config.SPEECH_OFFLINE === 'on' && (await locate(POCKETSPHINX)) !== undefined;
  return { state: offline ? 'pocketsphinx' : 'not configured', experimental: offline };
}
