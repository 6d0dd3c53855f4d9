import { seeAgent } from "./see-agent.ts";

await seeAgent("opencode");
