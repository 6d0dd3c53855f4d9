/** A line that was too long, and is not told. */
export const tooLong = Symbol("a line that is too long");

/** The lines of a stream; never holds more than the longest and one chunk. */
export async function* readLines(
  input: AsyncIterable<Uint8Array | string>,
  longestBytes: number,
): AsyncGenerator<string | typeof tooLong> {
  let held: Buffer[] = [];
  let bytes = 0;
  const take = () => {
    const line = bytes > longestBytes ? tooLong : Buffer.concat(held).toString("utf8");
    held = [];
    bytes = 0;
    return line;
  };
  const hold = (part: Buffer) => {
    bytes += part.length;
    if (bytes > longestBytes) held = [];
    else held.push(part);
  };
  for await (const given of input) {
    const chunk = Buffer.from(given);
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      hold(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    hold(chunk.subarray(start));
  }
  if (bytes > 0) yield take();
}
