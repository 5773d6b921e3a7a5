/**
 * A process of its own that takes lines, so that its memory can be watched and bounded: started by
 * `line-stream-memory.test.ts` through `fork`. Says its port; asked for `memory`, says the most it has held.
 */

import { startSmallApp } from './small-app.ts';

const edge = await startSmallApp();
let peakBytes = 0;
const watch = setInterval(() => {
  const { heapUsed, external } = process.memoryUsage();
  peakBytes = Math.max(peakBytes, heapUsed + external);
}, 20);

process.on('message', () => process.send?.({ peakBytes }));
process.once('disconnect', () => {
  clearInterval(watch);
  void edge.stop();
});
process.send?.({ port: edge.port });
