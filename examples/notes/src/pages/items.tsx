import type { Reference } from "@apollo/client";
import { useMutation, useQuery } from "@apollo/client/react";
import { useState } from "react";
import { Action } from "../components/action.tsx";
import { Alert } from "../components/alert.tsx";
import { Field, Form } from "../components/form.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import type { MyItemsQuery } from "../gql/graphql.ts";
import { graphql } from "../gql/index.ts";

type Item = MyItemsQuery["myItems"][number];

const PAGE = 20;

const MY_ITEMS = graphql(`
  query MyItems($first: Int!, $after: ID) {
    myItems(first: $first, after: $after) {
      id
      title
      description
      updatedAt
    }
  }
`);

const CREATE_ITEM = graphql(`
  mutation CreateItem($input: CreateItemInput!) {
    createItem(input: $input) {
      id
      title
      description
      updatedAt
    }
  }
`);

const UPDATE_ITEM = graphql(`
  mutation UpdateItem($id: ID!, $input: UpdateItemInput!) {
    updateItem(id: $id, input: $input) {
      id
      title
      description
      updatedAt
    }
  }
`);

const DELETE_ITEM = graphql(`
  mutation DeleteItem($id: ID!) {
    deleteItem(id: $id)
  }
`);

export function Items() {
  const query = useQuery(MY_ITEMS, { variables: { first: PAGE } });
  const items = query.data?.myItems ?? [];
  const [ended, setEnded] = useState(false);
  const complete = ended || items.length < PAGE;
  const [added, setAdded] = useState<string>();
  const [createItem] = useMutation(CREATE_ITEM, {
    update(cache, { data }) {
      // The list is sorted by age: a new item comes last.
      if (complete && data)
        cache.modify<{ myItems: Reference[] }>({
          fields: {
            myItems: (list, { toReference }) => [
              ...(list as Reference[]),
              toReference(cache.identify(data.createItem)!)!,
            ],
          },
        });
    },
  });
  return (
    <section>
      <title>Items · Notebook</title>
      <h1>Items</h1>
      <Form
        className="card line"
        action={async ({ title, description }) => {
          await createItem({ variables: { input: { title, description: description || null } } });
          setAdded(complete ? undefined : title);
        }}
        submit="Add"
        reset
      >
        <Field name="title" label="New item" maxLength={200} />
        <Field name="description" label="Description (optional)" maxLength={5000} required={false} />
        {added && <Alert good>“{added}” is at the end of the list.</Alert>}
      </Form>
      <Loaded query={query}>
        {({ myItems }) =>
          myItems.length === 0 ? (
            <p className="empty">Nothing here yet. Add your first item above.</p>
          ) : (
            <ul className="cards">
              {myItems.map((item) => (
                <ItemCard key={item.id} item={item} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {!complete && (
        <Action
          action={async () => {
            const { data } = await query.fetchMore({ variables: { after: items.at(-1)?.id } });
            setEnded(data!.myItems.length < PAGE);
          }}
        >
          Load more
        </Action>
      )}
    </section>
  );
}

function ItemCard({ item }: { item: Item }) {
  const { id, title, description, updatedAt } = item;
  const [editing, setEditing] = useState(false);
  const [updateItem] = useMutation(UPDATE_ITEM);
  const [deleteItem] = useMutation(DELETE_ITEM, {
    variables: { id },
    update: (cache) => void cache.evict({ id: cache.identify(item) }),
  });
  const stop = () => setEditing(false);
  if (editing)
    return (
      <li className="card">
        <Form
          className="line"
          action={async (values) => {
            const input = { title: values.title, description: values.description || null };
            await updateItem({ variables: { id, input } });
            stop();
          }}
          submit="Save"
          buttons={
            <button type="button" onClick={stop}>
              Cancel
            </button>
          }
        >
          <Field name="title" label="Title" defaultValue={title} maxLength={200} autoFocus />
          <Field
            name="description"
            label="Description (optional)"
            defaultValue={description ?? ""}
            maxLength={5000}
            required={false}
          />
        </Form>
      </li>
    );
  return (
    <li className="card row">
      <div>
        <h2>{title}</h2>
        {description && <p>{description}</p>}
        <p className="quiet">
          <Time at={updatedAt} />
        </p>
      </div>
      <div className="buttons">
        <button type="button" aria-label={`Edit ${title}`} onClick={() => setEditing(true)}>
          Edit
        </button>
        <Action action={() => deleteItem()} label={`Delete ${title}`}>
          Delete
        </Action>
      </div>
    </li>
  );
}
