// Where exceptions of user callbacks wait while their error passes through native code, which can
// carry a number but not a JavaScript object. Each is taken out once; what is never taken is
// dropped after a thousand newer ones.

const CAPACITY = 1000;
const kept = new Map<number, unknown>();
let lastId = 0;

export function keepCause(cause: unknown): number {
  lastId = (lastId % 0xffff_ffff) + 1;
  kept.set(lastId, cause);
  if (kept.size > CAPACITY) {
    const [oldest] = kept.keys();
    if (oldest !== undefined) kept.delete(oldest);
  }
  return lastId;
}

export function takeCause(id: number): unknown {
  const cause = kept.get(id);
  kept.delete(id);
  return cause;
}

/** How many are waiting, for tests. */
export function keptCauses(): number {
  return kept.size;
}
