// Shapes of what GraphQL gives: the names and words are those of its schema, which is the one place for them.
import { isNonNullType, isObjectType } from "graphql";
import { z } from "zod";
import { schema } from "../graphql/schema.ts";

/**
 * The type's fields, each with the schema's own description unless it has one. A field that isn't there, or may be
 * null in one of both alone, is a mistake at once, rather than at its first null.
 */
export function described<Shape extends Readonly<Record<string, z.ZodType>>>(
  typeName: string,
  shape: Shape,
): z.ZodObject<Shape> {
  const type = schema.getType(typeName);
  if (!isObjectType(type)) throw new Error(`there is no ${typeName}`);
  const fields = type.getFields();
  const entries = Object.entries(shape).map(([name, field]) => {
    if (name === "__typename") return [name, field];
    const known = fields[name];
    const isNullable = field.safeParse(null).success;
    if (known === undefined || isNonNullType(known.type) === isNullable) {
      throw new Error(`${typeName}.${name} is not as the schema has it`);
    }
    // Described anew, a schema would no longer be the one that its id names.
    return [
      name,
      field.description === undefined ? field.describe(known.description ?? "") : field,
    ];
  });
  // The same schemas under the same names.
  return z.object(Object.fromEntries(entries) as Shape).describe(type.description ?? "");
}

/** A moment, as GraphQL's DateTime is written. */
export const dateTime = z.string().meta({ format: "date-time" });

/** What a document must ask for to get the shape. */
export function selectionOf(shape: z.core.$ZodType): string {
  if (shape instanceof z.ZodNullable) return selectionOf(shape.unwrap());
  if (shape instanceof z.ZodArray) return selectionOf(shape.element);
  if (shape instanceof z.ZodDiscriminatedUnion) {
    const members = shape.options.map(
      (option) => `... on ${typenameOf(option)} ${selectionOf(option)}`,
    );
    return `{ ${members.join(" ")} }`;
  }
  if (!(shape instanceof z.ZodObject)) return "";
  const fields = Object.entries<z.core.$ZodType>(shape.shape);
  return `{ ${fields.map(([name, field]) => `${name} ${selectionOf(field)}`).join(" ")} }`;
}

/** Members of a union are told apart by it. */
function typenameOf(option: z.core.$ZodType): string {
  const shape: z.core.$ZodShape = option instanceof z.ZodObject ? option.shape : {};
  const typename = shape["__typename"];
  if (typename instanceof z.ZodLiteral) return String(typename.value);
  throw new Error("a member of a union has no __typename");
}
