// How far leases can be judged: after an outage, of the database or of this host, all of them look ended, and their
// runners need the time of a lease to renew them.

/** A look that is later than this many intervals was held up by an outage. */
const longestGap = 2;

export interface Sight {
  /** The database was reached. */
  seen(): void;
  /** It was not. */
  missed(): void;
  /** By how much a lease must have ended to count as ended; 0 but during an outage and for a lease's time after it. */
  graceMs(): number;
}

/** By the wall clock, which a host's sleep doesn't stop. */
export function createSight(intervalMs: number, leaseSeconds: number): Sight {
  let seenAt = Date.now();
  let isAway = false;
  /** The last outage: from the last time that the database was reached before it, and until when it is forgiven. */
  let outage = { from: seenAt, until: seenAt };

  function isHeldUp(now: number): boolean {
    return isAway || now - seenAt > longestGap * intervalMs;
  }

  /** Since when leases could not be renewed; an outage soon after another one is one with it. */
  function heldUpSince(): number {
    return seenAt < outage.until ? outage.from : seenAt;
  }

  return {
    seen() {
      const now = Date.now();
      if (isHeldUp(now)) outage = { from: heldUpSince(), until: now + leaseSeconds * 1000 };
      seenAt = now;
      isAway = false;
    },
    missed() {
      isAway = true;
    },
    graceMs() {
      const now = Date.now();
      if (now < outage.until) return now - outage.from;
      return isHeldUp(now) ? now - heldUpSince() : 0;
    },
  };
}
