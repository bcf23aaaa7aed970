import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";

export interface Note {
  id: string;
  text: string;
  /** Epoch milliseconds. */
  createdAt: number;
}

/** The notes of all users, in a SQLite file. The owner is the user's id at Latchkey. */
export class Notes {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec(`
      create table if not exists notes (
        id text primary key, owner text not null, text text not null, created_at integer not null
      ) strict;
      create index if not exists notes_by_owner on notes (owner, created_at);
    `);
  }

  /** The latest notes of a user, newest first. */
  latest(owner: string, limit: number): Note[] {
    const statement = this.#db.prepare(
      'select id, text, created_at as "createdAt" from notes where owner = ? order by created_at desc, rowid desc limit ?',
    );
    return statement.all(owner, limit) as unknown as Note[];
  }

  add(owner: string, text: string): Note {
    const note = { id: randomUUID(), text, createdAt: Date.now() };
    this.#db.prepare("insert into notes values (?, ?, ?, ?)").run(note.id, owner, text, note.createdAt);
    return note;
  }

  /** @returns whether the user had this note */
  delete(owner: string, id: string): boolean {
    return this.#db.prepare("delete from notes where id = ? and owner = ?").run(id, owner).changes > 0;
  }

  close(): void {
    this.#db.close();
  }
}
