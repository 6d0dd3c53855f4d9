// The public face of this folder: whether workers can be locked in here, the proof that it holds, and what locks one in.
import type { SandboxMode } from "../config.ts";
import { FactoryError } from "../errors.ts";
import { findAvailability, type Availability } from "./availability.ts";
import { proveSandbox } from "./canary.ts";
import type { ProgramPaths, SandboxDescription, SandboxedCommand } from "./compose.ts";
import { composeSandbox } from "./compose.ts";
import { userOf } from "./users.ts";

/** Workers that are shown the same things. */
export interface SandboxKind {
  readonly programs: ProgramPaths;
  readonly readable: readonly string[];
}

export interface Sandbox {
  readonly mode: SandboxMode;
  /** As it was found at the start. With the mode `off` nothing is tried. */
  readonly availability: Availability;
  /** Whether workers are locked in unless something else is asked for. */
  readonly isUsed: boolean;
  /**
   * Has a process try what the workers of this kind must not be able to do; once for each kind, and anew after a
   * failure. A kind is known by what it is shown.
   * @throws FactoryError SANDBOX_UNAVAILABLE with the reason, HOST_FAILURE
   */
  prove(kind: SandboxKind): Promise<void>;
  /** @throws FactoryError SANDBOX_UNAVAILABLE, HOST_FAILURE, INTERNAL; see `composeSandbox` */
  compose(description: SandboxDescription): Promise<SandboxedCommand>;
}

export interface SandboxOptions {
  readonly mode: SandboxMode;
  /** FACTORY_HOME: nothing of it is shown but what a description names. */
  readonly home: string;
  /** A folder below it that lets others through, for the canary. */
  readonly folder: string;
  /** Where bubblewrap is looked for, as PATH. */
  readonly searchPath: string;
}

/**
 * Looks once whether this machine can lock workers in.
 * @throws FactoryError SANDBOX_UNAVAILABLE where it must and can't
 */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { mode, home, folder, searchPath } = options;
  const availability: Availability =
    mode === "off"
      ? {
          available: false,
          reason: "it is switched off",
          remedy: "set FACTORY_SANDBOX to auto or required",
        }
      : await findAvailability({ searchPath });
  if (mode === "required" && !availability.available) throw unavailable(availability);
  const proofs = new Map<string, Promise<void>>();

  function requireContext() {
    if (!availability.available) throw unavailable(availability);
    return { bubblewrap: availability.bubblewrap, hidden: [home] };
  }

  return {
    mode,
    availability,
    isUsed: availability.available,
    async prove(kind) {
      const context = requireContext();
      const key = JSON.stringify([kind.programs, kind.readable]);
      let proof = proofs.get(key);
      if (proof === undefined) {
        const { programs, readable } = kind;
        const user = await userOf(folder);
        proof = proofs.get(key) ?? proveSandbox({ folder, context, user, programs, readable });
        proofs.set(key, proof);
      }
      try {
        await proof;
      } catch (error) {
        if (proofs.get(key) === proof) proofs.delete(key);
        throw error;
      }
    },
    async compose(description) {
      return composeSandbox(description, requireContext());
    },
  };
}

/** What a start says where workers are not locked in although they could be expected to be; undefined: nothing. */
export function warningOf({ mode, availability }: Pick<Sandbox, "mode" | "availability">) {
  if (mode !== "auto" || availability.available) return undefined;
  return `workers are not locked in: ${availability.reason}. To lock them in, ${availability.remedy}.`;
}

function unavailable({ reason, remedy }: Extract<Availability, { available: false }>) {
  return new FactoryError(
    "SANDBOX_UNAVAILABLE",
    `Workers can't be locked in here: ${reason}. To change that, ${remedy}.`,
  );
}
