import { useMutation, useQuery } from "@apollo/client/react";
import { Action } from "../components/action.tsx";
import { Field, Form } from "../components/form.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import { graphql } from "../gql/index.ts";
import { NOTES } from "../latchkey.ts";

// The notes are in a service of their own, with a schema of its own: see service/.

const MY_NOTES = graphql(`
  query Notes {
    notes {
      id
      text
      createdAt
    }
  }
`);

const ADD_NOTE = graphql(`
  mutation AddNote($text: String!) {
    addNote(text: $text) {
      id
    }
  }
`);

const DELETE_NOTE = graphql(`
  mutation DeleteNote($id: ID!) {
    deleteNote(id: $id)
  }
`);

export function Notes() {
  const query = useQuery(MY_NOTES, NOTES);
  // Only the latest notes are listed, so the service tells which ones.
  const change = { ...NOTES, refetchQueries: [MY_NOTES], awaitRefetchQueries: true };
  const [addNote] = useMutation(ADD_NOTE, change);
  const [deleteNote] = useMutation(DELETE_NOTE, change);
  return (
    <section>
      <title>Notes · Notebook</title>
      <h1>Notes</h1>
      <p className="quiet">From a second GraphQL service, which trusts Latchkey’s access tokens.</p>
      <Form className="card" action={({ text }) => addNote({ variables: { text } })} submit="Add" reset>
        <Field name="text" label="New note" maxLength={1000} />
      </Form>
      <Loaded query={query}>
        {({ notes }) =>
          notes.length === 0 ? (
            <p className="empty">Nothing here yet. Write your first note above.</p>
          ) : (
            <ul className="cards">
              {notes.map(({ id, text, createdAt }) => (
                <li key={id} className="card row">
                  <div>
                    <p>{text}</p>
                    <p className="quiet">
                      <Time at={createdAt} />
                    </p>
                  </div>
                  <div className="buttons">
                    <Action action={() => deleteNote({ variables: { id } })} label={`Delete ${text}`}>
                      Delete
                    </Action>
                  </div>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  );
}
