// Run as a process of its own, with an empty TMPDIR: unpacks Chromium there, and prints how to start it.
// Where the environment says that it runs on AWS Lambda, the package also unpacks the shared libraries that
// Chromium needs, so that the machine needs none of a browser's; both variables are read at its import.
import chromium from "@sparticuz/chromium";

export interface UnpackedChromium {
  readonly executablePath: string;
  /** Where the shared libraries are: for LD_LIBRARY_PATH. */
  readonly libraries: string;
}

const unpacked: UnpackedChromium = {
  executablePath: await chromium.executablePath(),
  libraries: process.env["LD_LIBRARY_PATH"] ?? "",
};
process.stdout.write(JSON.stringify(unpacked));
