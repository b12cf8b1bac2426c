// What these clients assert with, in Node and in a page.
export function equal(got, want) {
  const [have, expected] = [JSON.stringify(got), JSON.stringify(want)];
  if (have !== expected) {
    throw new Error(`got ${have}, want ${expected}`);
  }
}

export async function rejects(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`got ${JSON.stringify(value)}, want an error`);
}
