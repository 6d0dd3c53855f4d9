// Values that come as text, in a query or a header.
import { z } from "zod";
import { largestInt } from "../largest-int.ts";

export function wholeNumber(description: string) {
  return z
    .string()
    .regex(/^\d{1,10}$/, "it must be a whole number, 0 or more")
    .transform(Number)
    .refine((value) => value <= largestInt, `it may be ${String(largestInt)} at most`)
    .optional()
    .meta({
      description,
      override({ jsonSchema }) {
        delete jsonSchema.pattern;
        jsonSchema.type = "integer";
        jsonSchema.minimum = 0;
        jsonSchema.maximum = largestInt;
      },
    });
}

/** Nothing but true and false is taken for either. */
export function flag(description: string) {
  return z
    .stringbool({
      truthy: ["true"],
      falsy: ["false"],
      case: "sensitive",
      error: "it may be true or false",
    })
    .optional()
    .meta({ description, override: { type: "boolean" } });
}
