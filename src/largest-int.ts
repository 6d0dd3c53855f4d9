/** GraphQL's Int, and Postgres's integer: 32 bits with a sign. */
export const largestInt = 2 ** 31 - 1;
