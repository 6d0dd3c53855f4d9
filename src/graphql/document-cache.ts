// Documents that come again and again are parsed once. Bounded also where each one is as long as may be.
import type { DocumentNode } from "graphql";

const maxDocuments = 200;
/** What is parsed takes some fifty times the text. */
const maxCharacters = 8 * 1024;

export interface DocumentCache {
  get(text: string): DocumentNode | undefined;
  set(text: string, document: DocumentNode): void;
}

export function createDocumentCache(): DocumentCache {
  /** The one that was used last is the last. */
  const documents = new Map<string, DocumentNode>();
  return {
    get(text) {
      const document = documents.get(text);
      if (document === undefined) return undefined;
      documents.delete(text);
      documents.set(text, document);
      return document;
    },
    set(text, document) {
      if (text.length > maxCharacters) return;
      documents.set(text, document);
      const [oldest] = documents.keys();
      if (documents.size > maxDocuments && oldest !== undefined) documents.delete(oldest);
    },
  };
}
