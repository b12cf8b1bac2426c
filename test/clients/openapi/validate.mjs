// Checks each document that is named with @seriousme/openapi-schema-validator.
import { Validator } from "@seriousme/openapi-schema-validator";

let failed = false;
for (const file of process.argv.slice(2)) {
  const validator = new Validator();
  const result = await validator.validate(file);
  if (!result.valid || validator.version !== "3.1") {
    failed = true;
    console.error(file, validator.version, JSON.stringify(result.errors, null, 2).slice(0, 4000));
  }
}
process.exit(failed ? 1 : 0);
