// Its own types name their files without an extension, which Node.js's resolution doesn't find.
declare module "dclint" {
  export class DCLinter {
    constructor(config: {
      /** 0: not checked. */
      rules: Record<string, 0 | 1 | 2>;
      quiet: boolean;
      debug: boolean;
      exclude: string[];
    });
    lintFiles(
      paths: string[],
      isRecursive: boolean,
    ): { filePath: string; messages: { line: number; message: string }[] }[];
  }
}
