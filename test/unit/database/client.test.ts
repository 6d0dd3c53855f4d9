// A Postgres that ends a connection at once: its farewell comes in one packet with what lets the client begin.
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { connectDatabase, type DatabaseConnection } from "../../../src/database/client.ts";

/** A message of the protocol's version 3 (PostgreSQL's documentation, "Message Formats"). */
function messageOf(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const welcome = [messageOf("R", Buffer.alloc(4)), messageOf("Z", Buffer.from("I"))];
const words = "terminating connection due to administrator command";
const farewell = messageOf("E", Buffer.from(`SFATAL\0VFATAL\0C57P01\0M${words}\0\0`));

const postgres = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => socket.end(Buffer.concat([...welcome, farewell])));
});
let database: DatabaseConnection;
let url: string;
const broken: Error[] = [];

beforeEach(async () => {
  postgres.listen(0, "127.0.0.1");
  await once(postgres, "listening");
  const { port } = postgres.address() as AddressInfo;
  url = `postgresql://factory@127.0.0.1:${String(port)}/factory`;
  database = connectDatabase(url, (error) => broken.push(error));
});

afterEach(async () => {
  await database.close();
  postgres.close();
  await once(postgres, "close");
});

// An "error" that nobody hears ends the process.
test("is heard where a connection is lost between its start and its first use", async () => {
  await expect(database.pool.connect()).rejects.toThrow();
  await expect(database.pool.query("SELECT 1")).rejects.toThrow();
  await expect(database.prisma.$queryRaw`SELECT 1`).rejects.toThrow();
  await expect(
    database.prisma.$transaction((transaction) => transaction.$queryRaw`SELECT 1`),
  ).rejects.toThrow();
});
