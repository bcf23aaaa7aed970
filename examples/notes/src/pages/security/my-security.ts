import { graphql } from "../../gql/index.ts";

export const MY_SECURITY = graphql(`
  query MySecurity {
    myMfa {
      enabled
      totp
      recoveryCodesLeft
    }
    myPasskeys {
      id
      name
      createdAt
      lastUsedAt
    }
  }
`);

/** The options of a mutation that changes what the page shows. */
export const CHANGES = { refetchQueries: [MY_SECURITY], awaitRefetchQueries: true };

export interface AddsFactor {
  /** Receives the recovery codes that come with the first factor. */
  onCodes(codes: string[]): void;
}
