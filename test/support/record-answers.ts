import { keepSeen } from "./seen.js";

// Every client of the tests fetches, the libraries too.
const send = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const response = await send(...request);
  keepSeen(JSON.stringify([...response.headers]));
  // A body that breaks off is its reader's to complain of.
  keepSeen(await response.clone().text().catch(String));
  return response;
};
