import type { Database } from "./database.js";
import { MFA_METHODS, type MfaMethod } from "./users.js";

/**
 * Updates `users.mfa_methods`, which every request reads, to the factors that the user has now. Call it in each
 * transaction that changes them, with the user locked.
 */
export async function updateMfaMethods(transaction: Database, userId: string): Promise<MfaMethod[]> {
  const proofs = {
    TOTP: transaction.selectFrom("totp_secrets").where("confirmed_at", "is not", null),
    PASSKEY: transaction.selectFrom("passkeys"),
    RECOVERY_CODE: transaction.selectFrom("recovery_codes"),
  };
  const methods: MfaMethod[] = [];
  for (const method of MFA_METHODS) {
    const query = proofs[method] as (typeof proofs)["PASSKEY"];
    const row = await query.select("user_id").where("user_id", "=", userId).limit(1).executeTakeFirst();
    if (row !== undefined) methods.push(method);
  }
  await transaction
    .updateTable("users")
    .set({ mfa_methods: methods.join(" ") })
    .where("id", "=", userId)
    .execute();
  return methods;
}
