import type { Command } from "commander";

/** For a command with a text among its arguments: one without quotes comes as many, and is told so. */
export function takesText(command: Command, name: string): Command {
  const advice = `factory: ${command.name()} takes one ${name}: put it in quotes\n`;
  return command.configureOutput({
    outputError(text, write) {
      const isAboutIt = text.startsWith("error: too many") || text.includes(`argument '${name}'`);
      write(isAboutIt ? advice : text.replace(/^error: /, "factory: "));
    },
  });
}
