// Opens a page in a browser, waits until it has finished, and fails if anything in it did.
// Arguments: the browser's program and the page.
import puppeteer from "puppeteer-core";

const [executablePath, page] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const tab = await browser.newPage();
  const said = [];
  tab.on("console", (message) => said.push(message.text()));
  tab.on("pageerror", (error) => said.push(String(error)));
  await tab.goto(page);
  await tab.waitForFunction("globalThis.finished", { timeout: 120_000 }).catch((error) => said.push(String(error)));
  const outcomes = await tab.evaluate("globalThis.outcomes ?? []");
  const failed = outcomes.filter((o) => !o.passed);
  console.log(outcomes.map((o) => `${o.passed ? "ok" : "FAILED"} ${o.name} ${o.error ?? ""}`).join("\n"));
  if (outcomes.length === 0 || failed.length > 0 || !(await tab.evaluate("globalThis.finished"))) {
    console.log(said.join("\n"));
    process.exitCode = 1;
  }
} finally {
  await browser.close();
}
