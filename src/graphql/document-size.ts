// How much work a document makes for validation itself: counted before, in time that grows with its length
// alone. The rule that two fields of one name must agree compares each of them with each other.
import {
  Kind,
  visit,
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type SelectionSetNode,
} from "graphql";
import { badInput, exceeded } from "./limit-errors.ts";

/** Operations and fragments. */
const maxDefinitions = 200;
/** Fields, and spreads of fragments, as they are written. */
const maxSelections = 3_000;
/** The same, with each fragment where it is spread. */
const maxExpandedSelections = 20_000;
/** Fields with fields of their own, each of which may be read by a statement. */
const maxObjects = 200;
/** Beyond what may be executed: what is cut off here is refused by the rules. */
const maxDepth = 20;
/** Characters that are compared: of 100 times the same field, each with 1,000 characters of arguments. */
const maxComparedCharacters = 10_000_000;
/** What comparing two fields takes where they have no arguments, in characters. */
const fieldCharacters = 60;
export const maxListValues = 100;

/** undefined: it is small enough to be validated. */
export function findSizeFault(document: DocumentNode): GraphQLError | undefined {
  if (document.definitions.length > maxDefinitions) {
    return exceeded(
      `the document has ${String(document.definitions.length)} operations and fragments: it may have ${String(maxDefinitions)} at most`,
    );
  }
  return findListFault(document) ?? findSelectionFault(document);
}

/** A list is bounded where it is written, as variables are where they come in. */
function findListFault(document: DocumentNode): GraphQLError | undefined {
  let fault: GraphQLError | undefined;
  visit(document, {
    ListValue({ values }) {
      if (values.length > maxListValues) fault ??= listFault("a list", values.length);
    },
    // The words on each fault of it would hold all of it.
    ObjectValue({ fields }) {
      if (fields.length > maxListValues) fault ??= listFault("an input object", fields.length);
    },
  });
  return fault;
}

export function listFault(what: string, length: number): GraphQLError {
  return badInput(
    `${what} has ${String(length)} values: it may have ${String(maxListValues)} at most`,
  );
}

function findSelectionFault(document: DocumentNode): GraphQLError | undefined {
  let written = 0;
  const count = (): void => {
    written += 1;
  };
  visit(document, { Field: count, FragmentSpread: count, InlineFragment: count });
  if (written > maxSelections) {
    return exceeded(
      `the document has ${String(written)} fields and fragments: it may have ${String(maxSelections)} at most; ask in several documents`,
    );
  }
  const comparisons = new Comparisons(document);
  for (const definition of document.definitions) {
    if (!("selectionSet" in definition)) continue;
    comparisons.objects = 0;
    comparisons.add([definition.selectionSet], 0);
    if (comparisons.expanded > maxExpandedSelections) {
      return exceeded(
        `the document has more than ${String(maxExpandedSelections)} fields, its fragments included: ask in several documents`,
      );
    }
    if (comparisons.objects > maxObjects) {
      return exceeded(
        `the document asks for ${String(comparisons.objects)} objects or lists: it may ask for ${String(maxObjects)} at most; ask in several documents`,
      );
    }
    if (comparisons.characters > maxComparedCharacters) {
      return exceeded("the document asks for the same field too often: ask for it once");
    }
  }
  return undefined;
}

class Comparisons {
  /** Selections that were looked at. */
  expanded = 0;
  characters = 0;
  /** Of the operation or fragment that was added last. */
  objects = 0;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;

  constructor({ definitions }: DocumentNode) {
    this.#fragments = new Map(
      definitions
        .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
        .map((fragment) => [fragment.name.value, fragment]),
    );
  }

  /** Those that one object's selections need, and the objects' below it. Stops beyond the limits. */
  add(selectionSets: readonly SelectionSetNode[], depth: number): void {
    if (depth > maxDepth) return;
    const fields = new Map<string, FieldNode[]>();
    const spread = new Set<string>();
    for (const selectionSet of selectionSets) this.#collect(selectionSet, fields, spread);
    for (const same of fields.values()) {
      if (this.expanded > maxExpandedSelections) return;
      if (same.length > 1) {
        this.characters += same.length * same.reduce((sum, field) => sum + lengthOf(field), 0);
      }
      const below = same.flatMap(({ selectionSet }) => selectionSet ?? []);
      if (below.length === 0) continue;
      this.objects += 1;
      this.add(below, depth + 1);
    }
  }

  #collect(
    { selections }: SelectionSetNode,
    fields: Map<string, FieldNode[]>,
    spread: Set<string>,
  ): void {
    for (const selection of selections) {
      this.expanded += 1;
      if (this.expanded > maxExpandedSelections) return;
      if (selection.kind === Kind.FIELD) {
        const name = selection.alias?.value ?? selection.name.value;
        const same = fields.get(name);
        if (same === undefined) fields.set(name, [selection]);
        else same.push(selection);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.#collect(selection.selectionSet, fields, spread);
      } else if (!spread.has(selection.name.value)) {
        spread.add(selection.name.value);
        const fragment = this.#fragments.get(selection.name.value);
        if (fragment !== undefined) this.#collect(fragment.selectionSet, fields, spread);
      }
    }
  }
}

function lengthOf({ arguments: given = [] }: FieldNode): number {
  const ends: readonly ArgumentNode[] = given;
  const start = ends[0]?.loc?.start ?? 0;
  return fieldCharacters + (ends.at(-1)?.loc?.end ?? start) - start;
}
