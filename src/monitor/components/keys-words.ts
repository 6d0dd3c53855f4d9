// How keys are called on this machine's keyboard.

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

export const paletteKeys = isMac ? "⌘ K" : "Ctrl K";
export const submitKeys = isMac ? "⌘ Enter" : "Ctrl Enter";
