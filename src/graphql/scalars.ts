import { GraphQLError } from "graphql";
import { builder } from "./builder.ts";

builder.scalarType("DateTime", {
  description: "A moment in UTC, ISO 8601 with milliseconds: 2026-01-31T12:00:00.000Z.",
  specifiedByURL: "https://www.rfc-editor.org/rfc/rfc3339",
  serialize: (value) => value.toISOString(),
  parseValue(value) {
    const date = typeof value === "string" ? new Date(value) : undefined;
    if (date === undefined || Number.isNaN(date.getTime())) {
      throw new GraphQLError("a DateTime is a text such as 2026-01-31T12:00:00.000Z");
    }
    return date;
  },
});
