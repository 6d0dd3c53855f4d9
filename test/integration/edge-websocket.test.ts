import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import WebSocket from "ws";
import { startFactory, type FactoryServer } from "../support/factory.ts";
import { signIn } from "../support/sign-in.ts";

const protocol = "graphql-transport-ws";

let factory: FactoryServer;
let sockets: WebSocket[] = [];

beforeAll(async () => {
  factory = await startFactory();
});

afterEach(() => {
  for (const socket of sockets) socket.terminate();
  sockets = [];
});

afterAll(async () => {
  await factory.dispose();
});

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: unknown;
}

interface Connection {
  readonly socket: WebSocket;
  send(message: object): void;
  /** The first message for which it holds, come or to come; rejects where the socket closes first. */
  until(condition: (message: Message) => boolean): Promise<Message>;
  /** The code that it is closed with. */
  readonly closed: Promise<number>;
}

async function open(
  headers: Record<string, string> = {},
  { path = "/graphql", protocols = [protocol] } = {},
): Promise<Connection> {
  const socket = new WebSocket(`${factory.url.replace("http", "ws")}${path}`, protocols, {
    headers,
  });
  sockets.push(socket);
  const messages: Message[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<number>();
  socket.on("close", resolve);
  socket.on("error", () => undefined);
  socket.on("message", (data: Buffer) => {
    messages.push(JSON.parse(data.toString("utf8")) as Message);
    socket.emit("looked");
  });
  const connection: Connection = {
    socket,
    closed,
    send: (message) => {
      socket.send(JSON.stringify(message));
    },
    async until(condition) {
      const over = closed.then((code) => {
        throw new Error(`closed with ${String(code)}`);
      });
      over.catch(() => undefined);
      for (;;) {
        const found = messages.find(condition);
        if (found !== undefined) return found;
        await Promise.race([once(socket, "looked"), over]);
      }
    },
  };
  await once(socket, "open");
  return connection;
}

async function connect(
  headers: Record<string, string> = {},
  payload?: object,
): Promise<Connection> {
  const connection = await open(headers);
  connection.send({ type: "connection_init", ...(payload === undefined ? {} : { payload }) });
  return connection;
}

function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

/** A connection that is through its init. */
async function enter(): Promise<Connection> {
  const connection = await connect({}, bearer(factory.token));
  await connection.until(({ type }) => type === "connection_ack");
  return connection;
}

function subscribe(connection: Connection, id: string, query: string): void {
  connection.send({ type: "subscribe", id, payload: { query } });
}

/** Whether it still answers. */
async function ask(connection: Connection, id = "asked"): Promise<Message> {
  subscribe(connection, id, "{ __typename }");
  return connection.until((message) => message.id === id && message.type === "next");
}

function codesOf({ payload }: Message): unknown[] {
  return (payload as { extensions?: { code?: string } }[]).map(
    ({ extensions }) => extensions?.code,
  );
}

describe("who may connect", () => {
  test("a token in the header, in connection_init, or a cookie from a page of its own", async () => {
    const ways = [
      connect(bearer(factory.token)),
      connect({}, bearer(factory.token)),
      connect({}, { Authorization: `Bearer ${factory.token}` }),
      connect({ cookie: await signIn(factory), origin: factory.url }),
      connect({ ...bearer(factory.token), origin: "http://elsewhere.example" }),
    ];
    for (const way of ways) {
      const connection = await way;
      await connection.until(({ type }) => type === "connection_ack");
      expect(await ask(connection)).toMatchObject({ payload: { data: { __typename: "Query" } } });
    }
  });

  test("without a valid token it is closed with 4403", async () => {
    const ways = [
      connect(),
      connect({}, {}),
      connect({}, bearer("wrong")),
      connect(bearer("wrong")),
      connect({}, { authorization: factory.token }),
      connect({}, { authorization: { Bearer: factory.token } }),
    ];
    for (const way of ways) expect(await (await way).closed).toBe(4403);
  });

  test("a cookie doesn't count for a page of another origin, or for no page at all", async () => {
    const cookie = await signIn(factory);
    const ways = [
      connect({ cookie, origin: "http://evil.example" }),
      connect({ cookie, origin: "http://127.0.0.1:1" }),
      connect({ cookie, origin: "null" }),
      connect({ cookie }),
    ];
    for (const way of ways) expect(await (await way).closed).toBe(4403);
  });

  test("who asks before connection_init is closed with 4401", async () => {
    const connection = await open(bearer(factory.token));
    subscribe(connection, "1", "{ __typename }");
    expect(await connection.closed).toBe(4401);
  });

  test("who sends no connection_init is closed with 4408, and others are served meanwhile", async () => {
    const hanging = await open(bearer(factory.token));
    expect(await ask(await enter())).toMatchObject({ type: "next" });
    expect(await hanging.closed).toBe(4408);
  });

  test("no protocol or another one is closed with 4406, another path gets no WebSocket", async () => {
    const none = await open(bearer(factory.token), { protocols: [] });
    expect(await none.closed).toBe(4406);
    // What clients of subscriptions-transport-ws ask for.
    const old = await open(bearer(factory.token), { protocols: ["graphql-ws"] });
    const [code, reason] = (await once(old.socket, "close")) as [number, Buffer];
    expect(code).toBe(4406);
    expect(reason.toString()).toContain("use the subprotocol graphql-transport-ws");
    const both = await open(bearer(factory.token), { protocols: ["graphql-ws", protocol] });
    expect(both.socket.protocol).toBe(protocol);
    await expect(open(bearer(factory.token), { path: "/" })).rejects.toThrow("404");
  });
});

describe("what a connection may do", () => {
  test("a frame of 10 MB closes it with 1009, before and after init, and no other one", async () => {
    const [bystander, fresh, entered] = await Promise.all([enter(), open(), enter()]);
    const frame = "x".repeat(10 * 1024 * 1024);
    fresh.socket.send(frame);
    entered.socket.send(frame);
    expect(await Promise.all([fresh.closed, entered.closed])).toEqual([1009, 1009]);
    expect(await ask(bystander)).toMatchObject({ payload: { data: { __typename: "Query" } } });
  });

  test("what is no message of the protocol closes it with 4400", async () => {
    for (const text of ["", "{", "{}", `{"type":"nothing"}`, `{"type":"subscribe","id":"1"}`]) {
      const connection = await enter();
      connection.socket.send(text);
      expect(await connection.closed).toBe(4400);
    }
  });

  test("the 1,001st subscription is refused, and the others go on", async () => {
    const connection = await enter();
    const watch = `subscription { workerStatusChanged(parentSession: "nobody") { sequence } }`;
    subscribe(connection, "1", "subscription { overviewChanged { repositories } }");
    for (let index = 2; index <= 1_001; index++) subscribe(connection, String(index), watch);
    const refused = await connection.until(({ type }) => type === "error");
    expect(refused.id).toBe("1001");
    expect(codesOf(refused)).toEqual(["LIMIT_EXCEEDED"]);
    // Another connection has its own.
    expect(await ask(await enter())).toMatchObject({ type: "next" });

    await factory.query(
      `mutation { cloneRepository(input: {owner: "o", name: "n", url: "http://127.0.0.1:1/o/n.git"}) { created } }`,
    );
    expect(await connection.until(({ type }) => type === "next")).toMatchObject({ id: "1" });
  });

  test("operations that have ended, well or not, take no room", async () => {
    const connection = await enter();
    const documents = [
      "{ __typename }",
      "{ nothing }",
      `{ workerSession(id: "worker-1") { id } }`,
      `subscription { workerEvents(id: "worker-1") { sequence } }`,
      `subscription { overviewChanged { at } }`,
    ];
    for (let index = 0; index < 1_500; index++) {
      const id = String(index);
      subscribe(connection, id, documents[index % documents.length] ?? "");
      connection.send({ type: "complete", id });
    }
    expect(await ask(connection)).toMatchObject({ payload: { data: { __typename: "Query" } } });
  });

  test("the same id twice closes it with 4409", async () => {
    const connection = await enter();
    const watch = `subscription { overviewChanged { at } }`;
    subscribe(connection, "1", watch);
    subscribe(connection, "1", watch);
    expect(await connection.closed).toBe(4409);
  });

  test("a document that can't be run is an error with a code and a place, and nothing else", async () => {
    const connection = await enter();
    const documents = ["{", "{ nothing }", "query A { __typename } query A { __typename }"];
    for (const [index, query] of documents.entries()) {
      subscribe(connection, String(index), query);
      const { type, payload } = await connection.until(({ id }) => id === String(index));
      expect(type).toBe("error");
      expect(payload).toEqual([
        {
          message: expect.any(String),
          locations: expect.any(Array),
          extensions: { code: "BAD_INPUT" },
        },
      ]);
    }
    expect(await ask(connection)).toMatchObject({ type: "next" });
  });
});
