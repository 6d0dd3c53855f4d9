// Draws long lists piece by piece: the beginning at once, the rest in the frames after it.
import { useEffect, useState } from "react";

const pieceSize = 40;

/** How many of `total` are to be drawn; it grows until it is all of them. */
export function useGradual(total: number): number {
  const [drawn, setDrawn] = useState(pieceSize);
  useEffect(() => {
    if (drawn >= total) return undefined;
    const timer = window.setTimeout(() => setDrawn(drawn + pieceSize));
    return () => window.clearTimeout(timer);
  }, [drawn, total]);
  return Math.min(drawn, total);
}
