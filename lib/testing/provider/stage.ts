// What all cases of one provider share: the server that plays it and the BYOK that leads there. Cases run
// one after the other on it, whatever the runner does; the last one clears it away.

import type { BYOK } from "../../byok.js";
import type { ProviderOptions } from "../../types.js";
import { answer, ProviderServer } from "./server.js";

/** For what does not wait for a time limit on purpose. */
const PATIENCE_MS = 20_000;

export class Stage {
  #remaining: number;
  #turn: Promise<unknown> = Promise.resolve();
  #open: Promise<{ server: ProviderServer; byok: BYOK }> | undefined;
  readonly #create: (settings: ProviderOptions) => BYOK | Promise<BYOK>;

  constructor(cases: number, create: (settings: ProviderOptions) => BYOK | Promise<BYOK>) {
    this.#remaining = cases;
    this.#create = create;
  }

  /** Runs when nothing else does. */
  perform(run: (server: ProviderServer, byok: BYOK) => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      this.#open ??= this.#set();
      const { server, byok } = await this.#open;
      try {
        await run(server, byok);
      } finally {
        this.#remaining -= 1;
        if (this.#remaining === 0) await this.#clear();
      }
    });
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #set() {
    const server = await ProviderServer.start(answer({}));
    const byok = await this.#create({
      baseURL: `${server.origin}/base`,
      allowPrivateNetwork: true,
      maxRetries: 0,
      timeoutMs: PATIENCE_MS,
    });
    return { server, byok };
  }

  async #clear(): Promise<void> {
    const open = await this.#open;
    this.#open = undefined;
    await open?.byok.close();
    await open?.server.close();
  }
}
