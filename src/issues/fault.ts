/** Why an issue could not be read, fit to show to a person. */
export class IssueFault extends Error {
  override readonly name = "IssueFault";
}
