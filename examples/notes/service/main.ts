import { createNotesServer } from "./server.ts";

const {
  PORT = "4001",
  LATCHKEY_URL = "http://localhost:4000",
  APP_URL = "http://localhost:3000",
  NOTES_FILE = "data/notes.db",
} = process.env;

const server = createNotesServer({ latchkeyUrl: LATCHKEY_URL, appUrl: APP_URL, file: NOTES_FILE });
server.listen(Number(PORT), "127.0.0.1");

for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => {
    server.closeAllConnections();
    server.close();
  });
