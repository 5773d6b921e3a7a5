/** Peers are not installed with the service: they are loaded by name, and what they export is what each file says. */

/** Load a peer. `T` is the part of its exports that we call; a peer that lacks it fails at the first call. */
export async function loadPeer<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}
