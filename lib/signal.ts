// Listening to signals: one listener a signal however many calls share it (Node warns of a leak at
// eleven), gone as soon as the last of them is done.

interface Watch {
  actions: Set<() => void>;
  listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Runs `action` once when the signal aborts. Returns what ends that. The signal is not aborted yet. */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  const watch = watches.get(signal) ?? begin(signal);
  watch.actions.add(action);
  return () => {
    watch.actions.delete(action);
    if (watch.actions.size > 0 || watches.get(signal) !== watch) return;
    watches.delete(signal);
    signal.removeEventListener("abort", watch.listener);
  };
}

function begin(signal: AbortSignal): Watch {
  const actions = new Set<() => void>();
  const listener = () => {
    for (const action of actions) action();
  };
  const watch = { actions, listener };
  watches.set(signal, watch);
  signal.addEventListener("abort", listener, { once: true });
  return watch;
}
