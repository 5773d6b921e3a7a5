import { describe, expect, it } from 'vitest';
import { checkLogin } from '../../../src/access/login.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('the login of the pages below /admin', () => {
  it('tells right, wrong and missing credentials apart', () => {
    expect(checkLogin(basic('admin:pass:word'), 'admin', 'pass:word')).toBe('ok');
    expect(checkLogin(basic('ädmin:päss'), 'ädmin', 'päss')).toBe('ok');
    expect(checkLogin(basic('admin:pass'), 'admin', 'pass:word')).toBe('wrong');
    expect(checkLogin(basic('admin'), 'admin', '')).toBe('wrong');
    expect(checkLogin('Bearer x', 'admin', 'x')).toBe('missing');
    expect(checkLogin(undefined, 'admin', 'x')).toBe('missing');
  });
});
