// Reads one secret in three ways and answers with a fingerprint of what each saw.
// A real function uses its secret; it never answers with it.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export async function handler() {
  return {
    variable: fingerprint(process.env.API_KEY),
    file: fingerprint(await readFile('/tmp/vault/api-key', 'utf8')),
    proxy: fingerprint(await throughProxy()),
  };
}

/** Asks the local Vault API, which needs no token. */
async function throughProxy() {
  const url = `${process.env.VAULT_ADDR}/v1/${process.env.VAULT_SECRET_PATH_API}`;
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return (await answer.json()).data.data['api-key'];
}

function fingerprint(secret) {
  return createHash('sha256').update(secret).digest('hex').slice(0, 8);
}
