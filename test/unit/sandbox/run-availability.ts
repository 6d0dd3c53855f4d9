// Says, as the user who runs this, whether there is a sandbox here.
import { findAvailability, type AvailabilityOptions } from "../../../src/sandbox/availability.ts";

const options = JSON.parse(process.argv[2] ?? "") as AvailabilityOptions;
console.log(JSON.stringify(await findAvailability(options)));
