import { type Fetcher, showGraphiQL } from "./graphiql.js";

const fetcher: Fetcher = async (operation, { headers } = {}) => {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(operation),
  });
  return response.json();
};

await showGraphiQL(document.querySelector("#graphiql")!, { fetcher, query: "{ me { username } }" });
