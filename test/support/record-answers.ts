import { keepSeen } from "./seen.js";

// Every client of the tests uses fetch, including the libraries.
const send = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const response = await send(...request);
  keepSeen(JSON.stringify([...response.headers]));
  // Whoever reads the body reports an incomplete one.
  keepSeen(await response.clone().text().catch(String));
  return response;
};
