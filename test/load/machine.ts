/** The machine that made the load, and how hard it worked: figures mean little without it. */

import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Over the last minute, when the load began. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() || 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch}`,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** How hard this process worked: a generator that is busy measures itself. */
export interface Effort {
  /** Share of one core, 0–1 and more. */
  readonly cpuShare: number;
  /** 99th percentile of how late the event loop was, in milliseconds. */
  readonly eventLoopP99Ms: number;
}

/** Milliseconds between two looks at the event loop; what it adds to each is taken off. */
const RESOLUTION_MS = 10;

export class EffortMeter {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #cpu = process.cpuUsage();
  readonly #startedMs = performance.now();

  constructor() {
    this.#delay.enable();
  }

  /** What it was since the meter was made. Ends the measuring. */
  stop(): Effort {
    this.#delay.disable();
    const { user, system } = process.cpuUsage(this.#cpu);
    const wallMs = Math.max(1, performance.now() - this.#startedMs);
    const p99Ms = this.#delay.count > 0 ? this.#delay.percentile(99) / 1e6 - RESOLUTION_MS : 0;
    return { cpuShare: (user + system) / 1000 / wallMs, eventLoopP99Ms: Math.max(0, p99Ms) };
  }
}
