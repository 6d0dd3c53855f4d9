// Queries and mutations over HTTP, by the cookie of the browser. Streams are in stream.ts.
import { Client, fetchExchange } from "@urql/core";

export const client = new Client({
  url: "/graphql",
  // Without a cache: what is on the page is live, and a second truth would have to be kept in step with it.
  exchanges: [fetchExchange],
  // A GET's address would hold the document and its values.
  preferGetMethod: false,
  fetchOptions: { credentials: "same-origin" },
});
