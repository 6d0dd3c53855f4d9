import { useEffect, useState } from "react";
import { connection } from "../client/connection.ts";

const foundShownMs = 4_000;
/** A server that is restarted in the blink of an eye is no news. */
const lostHiddenMs = 400;

/** Says when the connection is lost, and when it is found again. */
export function ConnectionBanner() {
  const [shown, setShown] = useState<"lost" | "found" | undefined>(undefined);

  useEffect(() => {
    let timer: number | undefined;
    function change(): void {
      window.clearTimeout(timer);
      if (connection.state.read().kind === "lost") {
        timer = window.setTimeout(() => setShown("lost"), lostHiddenMs);
        return;
      }
      setShown((before) => (before === undefined ? undefined : "found"));
      timer = window.setTimeout(() => setShown(undefined), foundShownMs);
    }
    const unwatch = connection.state.watch(change);
    return () => {
      unwatch();
      window.clearTimeout(timer);
    };
  }, []);

  return (
    <div role="status" className="connection-banner" data-shown={shown ?? "none"}>
      {shown === "lost" && (
        <>
          <span>
            The connection to the server is lost. What you see may be old; the page goes on by
            itself when the server is back.
          </span>
          <button type="button" className="button" onClick={() => connection.retry()}>
            Try now
          </button>
        </>
      )}
      {shown === "found" && <span>Connected again. Nothing was missed.</span>}
    </div>
  );
}
