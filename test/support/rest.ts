// A client of the REST routes that holds every answer against the document that the server gives of them.
import addFormats from "ajv-formats";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { FactoryServer } from "./factory.ts";
import { readEvents } from "./server-sent-events.ts";

const waitTimeoutMs = 30_000;

export type Json = Readonly<Record<string, unknown>>;

export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** undefined: it has none. */
  readonly body: Json | undefined;
}

export interface RestOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** As JSON, unless it is text or a Blob already. */
  readonly body?: unknown;
  /** Aborted when the client gives up. */
  readonly leaving?: AbortSignal;
}

export interface RestEvent {
  readonly id: number;
  readonly data: Json;
}

export interface RestStream {
  readonly status: number;
  /** What comes next; undefined: the server has ended the stream. */
  next(): Promise<RestEvent | undefined>;
  /** The next so many. */
  take(count: number): Promise<readonly RestEvent[]>;
  /** Until the server ends it. */
  rest(): Promise<readonly RestEvent[]>;
  /** Ends it from the client's side. */
  leave(): void;
}

export interface Rest {
  readonly document: OpenApi;
  /** Operations that were called, as "get /api/…". */
  readonly exercised: ReadonlySet<string>;
  /** Error codes that came. */
  readonly codes: ReadonlySet<string>;
  send(method: string, path: string, options?: RestOptions): Promise<RestAnswer>;
  get(path: string, options?: RestOptions): Promise<RestAnswer>;
  post(path: string, body?: unknown, options?: RestOptions): Promise<RestAnswer>;
  delete(path: string, options?: RestOptions): Promise<RestAnswer>;
  /** Rejects where there is no stream. */
  follow(path: string, options?: RestOptions): Promise<RestStream>;
}

interface DescribedResponse {
  readonly description: string;
  readonly headers?: Json;
  readonly content?: Readonly<Record<string, { readonly "x-event-data"?: { $ref: string } }>>;
}
export interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, DescribedResponse>>;
}
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

export async function openRest(server: FactoryServer): Promise<Rest> {
  const given = await server.fetch("/api/openapi.json");
  const document = (await given.json()) as OpenApi;
  const check = createChecker(document);
  const exercised = new Set<string>();
  const codes = new Set<string>();

  async function request(method: string, path: string, options: RestOptions): Promise<Response> {
    const { token = server.token, headers = {}, body } = options;
    const leaving = options.leaving ?? new AbortController().signal;
    return fetch(`${server.url}${path}`, {
      method,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: rawBody(body) }),
      signal: AbortSignal.any([leaving, AbortSignal.timeout(waitTimeoutMs)]),
    });
  }

  async function readAnswer(method: string, path: string, response: Response) {
    const text = await response.text();
    const body = text === "" ? undefined : (JSON.parse(text) as Json);
    const operation = check.answer(method, path, response, body);
    if (operation !== undefined) exercised.add(operation);
    const code = codeOf(body);
    if (code !== undefined) codes.add(code);
    return { status: response.status, headers: response.headers, body };
  }

  async function send(method: string, path: string, options: RestOptions = {}) {
    return readAnswer(method, path, await request(method, path, options));
  }

  return {
    document,
    exercised,
    codes,
    send,
    get: (path, options) => send("GET", path, options),
    post: (path, body, options = {}) => send("POST", path, { ...options, body }),
    delete: (path, options) => send("DELETE", path, options),
    async follow(path, options = {}) {
      const leaving = new AbortController();
      const response = await request("GET", path, { ...options, leaving: leaving.signal });
      if (response.status !== 200) {
        const { status, body } = await readAnswer("GET", path, response);
        throw new Error(`no stream, but ${String(status)}: ${JSON.stringify(body)}`);
      }
      exercised.add(check.stream(path, response));
      const events = readEvents(response);
      const next = async (): Promise<RestEvent | undefined> => {
        const result = await events.next();
        if (result.done === true) return undefined;
        const { event, id, data } = result.value;
        const parsed = JSON.parse(data) as Json;
        if (event !== "message") throw new Error(`the stream ends with ${event}: ${data}`);
        check.event(path, parsed);
        return { id: Number(id), data: parsed };
      };
      const take = async (count: number) => {
        const taken: RestEvent[] = [];
        while (taken.length < count) {
          const event = await next();
          if (event === undefined) break;
          taken.push(event);
        }
        return taken;
      };
      return {
        status: response.status,
        next,
        take,
        rest: () => take(Infinity),
        leave: () => {
          leaving.abort();
        },
      };
    },
  };
}

function rawBody(body: unknown): string | Blob {
  return typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
}

function codeOf(body: Json | undefined): string | undefined {
  const { error } = body ?? {};
  return (error as { code?: string } | undefined)?.code;
}

/** Throws where an answer isn't one that the document tells of. */
function createChecker(document: OpenApi) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema(close(document) as object, "api");
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, "[^/]+")}$`),
  }));

  function find(method: string, path: string) {
    const [bare = ""] = path.split("?");
    const fitting = templates.filter(({ pattern }) => pattern.test(bare));
    // A path without parameters goes before those with some.
    const { template } = fitting.find((one) => one.template === bare) ?? fitting[0] ?? {};
    const name = method === "HEAD" ? "get" : method.toLowerCase();
    const operation = template === undefined ? undefined : document.paths[template]?.[name];
    return operation === undefined || template === undefined
      ? undefined
      : { name, template, operation };
  }

  function fits(pointer: string, value: unknown): void {
    const validate = ajv.getSchema(`api#${pointer}`);
    if (validate === undefined) throw new Error(`the document has no ${pointer}`);
    if (validate(value) === true) return;
    throw new Error(
      `${JSON.stringify(value)} is not as ${pointer} says: ${ajv.errorsText(validate.errors)}`,
    );
  }

  function describe(method: string, path: string, status: number) {
    const found = find(method, path);
    if (found === undefined) return undefined;
    const { template, name, operation } = found;
    const response = operation.responses[String(status)];
    if (response === undefined) {
      throw new Error(`${name} ${template} answered with ${String(status)}, which isn't told of`);
    }
    const pointer = ["", "paths", template, name, "responses", String(status)]
      .map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"))
      .map(encodeURIComponent)
      .join("/");
    return { response, pointer, called: `${name} ${template}` };
  }

  return {
    /** The operation; undefined where there is none, and the answer says so. */
    answer(method: string, path: string, { status, headers }: Response, body: Json | undefined) {
      const found = describe(method, path, status);
      const code = codeOf(body);
      if (found === undefined) {
        if (method === "OPTIONS" && status === 204) return undefined;
        if (method !== "HEAD") fits("/components/schemas/Error", body);
        if (
          method !== "HEAD" &&
          !["NOT_FOUND", "METHOD_NOT_ALLOWED", "UNAUTHENTICATED"].includes(code ?? "")
        ) {
          throw new Error(`${method} ${path} is in no document, but answered ${String(code)}`);
        }
        return undefined;
      }
      const { response, pointer, called } = found;
      const isJson = response.content?.["application/json"] !== undefined;
      if (method === "HEAD") return called;
      if (!isJson && body !== undefined) throw new Error(`${called} has a body that isn't told of`);
      if (isJson) {
        if (headers.get("content-type") !== "application/json") {
          throw new Error(`${called} answered with ${String(headers.get("content-type"))}`);
        }
        fits(`${pointer}/content/application~1json/schema`, body);
      }
      if (code !== undefined && !response.description.split(", ").includes(code)) {
        throw new Error(`${called} answered with ${code}, which ${String(status)} doesn't tell of`);
      }
      return called;
    },
    stream(path: string, { status }: Response): string {
      const found = describe("GET", path, status);
      if (found?.response.content?.["text/event-stream"] === undefined) {
        throw new Error(`${path} is no stream in the document`);
      }
      return found.called;
    },
    event(path: string, data: Json): void {
      const { response } = describe("GET", path, 200) ?? {};
      const { $ref } = response?.content?.["text/event-stream"]?.["x-event-data"] ?? {};
      fits(String($ref).replace(/^#/, ""), data);
    },
  };
}

/** Answers may get more fields, but today they have those that the document tells of and no more. */
function close(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(close);
  if (typeof node !== "object" || node === null) return node;
  const closed: Record<string, unknown> = Object.fromEntries(
    Object.entries(node).map(([name, value]) => [name, close(value)]),
  );
  if (closed["type"] === "object" && closed["properties"] !== undefined) {
    closed["additionalProperties"] ??= false;
  }
  return closed;
}
