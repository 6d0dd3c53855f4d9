// A git that talks to a remote has helpers (git remote-https, ssh, index-pack) that outlive it when it is
// killed. So each git leads a process group of its own, which is signalled as a whole.
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./files.ts";

/**
 * setsid(1), of util-linux and busybox; simple-git can start a program by way of another, but not in a group
 * of its own. undefined where there is none, as on macOS: then git alone is signalled, and a helper ends when
 * its transfer stands still (http.lowSpeedTime, ServerAliveInterval).
 */
export async function findLauncher(path: string | undefined): Promise<string | undefined> {
  for (const folder of (path ?? "").split(":")) {
    const program = join(folder, "setsid");
    if (folder !== "" && (await isExecutable(program))) return "setsid";
  }
  return undefined;
}

async function isExecutable(program: string): Promise<boolean> {
  try {
    await access(program, constants.X_OK);
    return true;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return false;
  }
}

export interface ProcessGroup {
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, and no more waiting for output that somebody else may hold open. */
  kill(): void;
  closeOutput(): void;
}

/**
 * Finds the process behind a stream that simple-git hands out, which it doesn't tell itself. Node tells of
 * every new process on the channel `child_process` (its documentation, "Diagnostics Channel", built-in
 * channels), before it has streams.
 */
export function watchForGroup(): {
  find(stdout: unknown, leadsGroup: boolean): ProcessGroup | undefined;
  stop(): void;
} {
  let latest: ChildProcess | undefined;
  const remember = (message: unknown) => {
    if (typeof message !== "object" || message === null || !("process" in message)) return;
    latest = message.process as ChildProcess; // the channel's documented shape
  };
  subscribe("child_process", remember);
  return {
    find: (stdout, leadsGroup) =>
      latest === undefined || latest.stdout !== stdout ? undefined : toGroup(latest, leadsGroup),
    stop() {
      unsubscribe("child_process", remember);
      latest = undefined;
    },
  };
}

function toGroup(child: ChildProcess, leadsGroup: boolean): ProcessGroup {
  const send = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(leadsGroup ? -child.pid : child.pid, signal);
    } catch (error) {
      // All of them have ended. Until setsid has run there is no such group either, but its leader.
      if (codeOf(error) !== "ESRCH") throw error;
      child.kill(signal);
    }
  };
  return {
    signal: send,
    kill() {
      send("SIGKILL");
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
    closeOutput() {
      child.stdout?.destroy();
    },
  };
}
