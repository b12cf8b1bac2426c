// graphql-js, as the judge of schemas for pairs_test.go. Each line of the input is an SDL document as a JSON string; each line of the
// output is what is wrong with it, empty if nothing is.
import readline from 'node:readline';
import { buildSchema, validateSchema } from 'graphql';

for await (const line of readline.createInterface({ input: process.stdin })) {
  let wrong = '';
  try {
    wrong = validateSchema(buildSchema(JSON.parse(line))).map((error) => error.message).join('; ');
  } catch (error) {
    wrong = error.message;
  }
  console.log(JSON.stringify(wrong));
}
