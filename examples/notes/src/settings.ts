import { useQuery } from "@apollo/client/react";
import { graphql } from "./gql/index.ts";

const SETTINGS = graphql(`
  query Settings {
    settings {
      registrationOpen
      passwordMinLength
      mfaMethods
      sendsEmail
    }
  }
`);

/** What forms need to know of the server; undefined until it has answered. */
export function useSettings() {
  return useQuery(SETTINGS).data?.settings;
}
