import { client } from "../client/client.ts";
import { failureOf } from "../client/failure.ts";
import { toast, toastFailure } from "../components/toasts.tsx";
import type { Repository } from "../live/operations.ts";
import { cloneRepository, syncRepository } from "./operations.ts";

/** Its progress is seen in the overview. */
export async function sync({ owner, name, nameWithOwner }: Repository): Promise<void> {
  const { data, error } = await client.mutation(syncRepository, { input: { owner, name } });
  if (error !== undefined) {
    toastFailure(`${nameWithOwner} was not synced`, failureOf(error));
    return;
  }
  const isUpdated = data?.syncRepository?.updated === true;
  toast(
    `${nameWithOwner} is synced`,
    isUpdated ? "Its default branch has moved." : "Its default branch is where it was.",
  );
}

/** Of one whose first clone failed. */
export async function cloneAgain({ owner, name, nameWithOwner }: Repository): Promise<void> {
  const { error } = await client.mutation(cloneRepository, { input: { owner, name } });
  if (error !== undefined) toastFailure(`${nameWithOwner} was not cloned`, failureOf(error));
}
