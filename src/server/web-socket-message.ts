// What a message over WebSocket may hold, looked at before anything of it is parsed.
import { CloseCode, MessageType } from "graphql-ws";
import type { Viewer } from "../access/viewer.ts";
import { assertBoundedJson } from "../bounded-json.ts";
import { FactoryError } from "../errors.ts";
import { maxBytesOf, sizeInWords } from "./request-bytes.ts";

/** Before the client is known there is nothing to say but who it is. */
const maxInitBytes = 64 * 1024;
/** As clients write it. */
const idFirst = /^\{"id":"([\w-]{1,100})","type":"subscribe"/;

export type MessageRefusal =
  /** For one operation; the connection goes on. */
  | { readonly answer: string }
  /** Closes the connection. */
  | { readonly answer?: undefined; readonly code: number; readonly reason: string };

/** undefined: it may be parsed. */
export function checkMessage(data: Buffer, viewer: Viewer | undefined): MessageRefusal | undefined {
  const maxBytes = viewer === undefined ? maxInitBytes : maxBytesOf(viewer);
  if (data.byteLength > maxBytes) {
    return refuse(data, 1009, `the message is larger than ${sizeInWords(maxBytes)}`);
  }
  try {
    assertBoundedJson(data.toString("utf8"), "the message");
    return undefined;
  } catch (error) {
    if (error instanceof FactoryError) return refuse(data, CloseCode.BadRequest, error.message);
    throw error;
  }
}

function refuse(data: Buffer, code: number, message: string): MessageRefusal {
  const id = idFirst.exec(data.toString("latin1", 0, 200))?.[1];
  if (id === undefined) return { code, reason: message.slice(0, 120) };
  const payload = [{ message, extensions: { code: "BAD_INPUT" } }];
  return { answer: JSON.stringify({ id, type: MessageType.Error, payload }) };
}
