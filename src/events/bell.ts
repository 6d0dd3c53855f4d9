/** In case a notice was lost, a waiting loop looks for itself this often. */
const lookAgainMs = 5_000;

/** Remembers a ring until it is heard. The subscription's end rings it too. */
export class Bell {
  #heard = 0;
  #ringing = false;
  #wake: (() => void) | undefined;

  ring(sequence = Infinity): void {
    if (sequence <= this.#heard) return;
    this.#ringing = true;
    this.#wake?.();
  }

  /** From here on only what comes after the cursor rings. */
  silence(cursor: number): void {
    this.#heard = cursor;
    this.#ringing = false;
  }

  /** Resolves when it rang, or when it is time to look whatever was heard. */
  async rung(): Promise<void> {
    if (this.#ringing) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, lookAgainMs);
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
  }
}
