/** A question to PostgreSQL: while it is away, the answer is `store-unavailable`. */

import { asStoreError } from '../database/connection.ts';

export async function ask<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw asStoreError(error);
  }
}
