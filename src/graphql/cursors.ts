// Cursors are checked before execution: in the database a made-up one would be an error of the server's.
import {
  getNamedType,
  GraphQLError,
  Kind,
  valueFromASTUntyped,
  type ASTVisitor,
  type ValidationContext,
  type ValidationRule,
} from "graphql";

/** What Pothos's Prisma plugin makes of a row's id, and of a session's number. */
const formats = {
  id: /^GPC:S:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  number: /^GPC:N:\d{1,9}$/,
} as const;

/** By the connection's type; those that aren't here go by their rows' ids. */
const numbered = new Set(["WorkerSessionConnection"]);

export function checkCursors(variables: Readonly<Record<string, unknown>>): ValidationRule {
  return (context: ValidationContext): ASTVisitor => ({
    Argument(node) {
      const { name, value } = node;
      const type = context.getFieldDef()?.type;
      const list = type === undefined ? "" : getNamedType(type).name;
      if (!list.endsWith("Connection") || (name.value !== "after" && name.value !== "before"))
        return;
      const cursor =
        value.kind === Kind.VARIABLE ? variables[value.name.value] : valueFromASTUntyped(value);
      // null is none; what is no text is told of by GraphQL's own rules.
      if (typeof cursor !== "string") return;
      const format = numbered.has(list) ? formats.number : formats.id;
      if (format.test(Buffer.from(cursor, "base64").toString("utf8"))) return;
      context.reportError(
        new GraphQLError(
          `${name.value} is no cursor of this list: take it as it is from an answer for the same list`,
          { nodes: node, extensions: { code: "BAD_INPUT" } },
        ),
      );
    },
  });
}
