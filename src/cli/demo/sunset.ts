/** The demo's picture: a sun over hills, computed and written as PNG, so that the demo needs no file and no library. */

import { crc32, deflateSync } from 'node:zlib';

const WIDTH = 1280;
const HEIGHT = 800;
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Eight bits, red green blue; the other fields have one value each. */
const RGB = [8, 2, 0, 0, 0];

type Colour = readonly [red: number, green: number, blue: number];

const SKY: readonly [Colour, Colour] = [
  [38, 50, 110],
  [250, 168, 92],
];
const SUN: Colour = [255, 233, 170];
const HILLS: readonly {
  readonly colour: Colour;
  readonly top: number;
  readonly height: number;
  readonly length: number;
}[] = [
  { colour: [52, 38, 60], top: 0.8, height: 0.06, length: 3 },
  { colour: [98, 62, 88], top: 0.7, height: 0.08, length: 5 },
];

/** The bytes of the picture. */
export function sunset(): Buffer {
  const rows = Buffer.alloc(HEIGHT * (1 + WIDTH * 3));
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) rows.set(colourAt(x / WIDTH, y / HEIGHT), y * (1 + WIDTH * 3) + 1 + x * 3);
  }
  const head = Buffer.alloc(8);
  head.writeUInt32BE(WIDTH, 0);
  head.writeUInt32BE(HEIGHT, 4);
  const parts = [
    chunk('IHDR', Buffer.concat([head, Buffer.from(RGB)])),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND'),
  ];
  return Buffer.concat([SIGNATURE, ...parts]);
}

function colourAt(x: number, y: number): Colour {
  const hill = HILLS.find(({ top, height, length }) => y > top + height * Math.sin(x * length * 2 + length));
  if (hill !== undefined) return hill.colour;
  if (Math.hypot((x - 0.64) * (WIDTH / HEIGHT), y - 0.55) < 0.13) return SUN;
  const mix = (from: number, to: number) => Math.round(from + (to - from) * Math.min(1, y / 0.75));
  const [top, bottom] = SKY;
  return [mix(top[0], bottom[0]), mix(top[1], bottom[1]), mix(top[2], bottom[2])];
}

function chunk(name: string, content = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
