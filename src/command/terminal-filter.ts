// A worker's output for a person's terminal: text and colours pass; what would move the cursor, set a title, fill the
// clipboard or ask the terminal something does not. Source: ECMA-48, 5.3 to 5.6; xterm's control sequences.

const escape = 0x1b;
const bell = 0x07;
const cancel = 0x18;
const substitute = 0x1a;

type State = "text" | "escape" | "sequence" | "string" | "string-escape";

/** Takes the output in pieces, which may end in the middle of a sequence. */
export class TerminalFilter {
  #state: State = "text";
  /** Of the sequence that is under way. */
  #parameters = "";
  #isColoured = false;

  feed(text: string): string {
    let passed = "";
    for (const character of text) passed += this.#take(character);
    return passed;
  }

  /** What takes the last colour away. */
  end(): string {
    return this.#isColoured ? "\u001b[0m" : "";
  }

  #take(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    switch (this.#state) {
      case "text":
        return this.#takeText(character, code);
      case "escape":
        this.#parameters = "";
        if (character === "[") this.#state = "sequence";
        // Device control, start of string, privacy message, operating system and application program commands.
        else if ("PX^]_".includes(character)) this.#state = "string";
        // Intermediate bytes; anything else is the end of a sequence of two.
        else if (code < 0x20 || code > 0x2f) this.#state = "text";
        return "";
      case "sequence":
        return this.#takeSequence(character, code);
      case "string":
        if (code === escape) this.#state = "string-escape";
        // No line of output is to be lost behind a string that nobody ends.
        else if (code === bell || code === cancel || code === substitute || character === "\n") {
          this.#state = "text";
        }
        return character === "\n" ? "\n" : "";
      case "string-escape":
        this.#state = "text";
        return "";
    }
  }

  #takeText(character: string, code: number): string {
    if (code === escape) {
      this.#state = "escape";
      return "";
    }
    const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    return isControl && !"\n\r\t".includes(character) ? "" : character;
  }

  #takeSequence(character: string, code: number): string {
    if (code >= 0x20 && code <= 0x3f) {
      // None that is longer means a colour; the mark says so from then on.
      this.#parameters = this.#parameters.length < 100 ? this.#parameters + character : "!";
      return "";
    }
    this.#state = code === escape ? "escape" : "text";
    const isColour = character === "m" && /^[\d;:]*$/.test(this.#parameters);
    const isErasure = character === "K" && /^\d*$/.test(this.#parameters);
    if (!isColour && !isErasure) return character === "\n" ? "\n" : "";
    this.#isColoured ||= isColour;
    return `\u001b[${this.#parameters}${character}`;
  }
}
