// Uses the local Vault API by way of node-vault, which knows nothing of the extension, and prints what it saw as JSON.
//
// Arguments: the address of the local Vault API, the mount of a KV v2 engine.

const [endpoint, mount] = process.argv.slice(2);
// It must send some token, and any is as good as none: the extension has its own.
const vault = require('node-vault')({ endpoint, token: 'unused' });
const path = `${mount}/data/node/own`;

/** What the call ended with, as a program that uses this client sees it. */
async function refusal(call) {
  try {
    return ['no error', await call];
  } catch (error) {
    return [error.response?.statusCode ?? error.name, error.message];
  }
}

async function main() {
  const seen = {};
  seen.read = (await vault.read(`${mount}/data/lambda`)).data.data;

  seen['versions written'] = [];
  for (const n of [1, 2]) {
    const written = await vault.write(path, { data: { n } });
    seen['versions written'].push(written.data.version);
  }
  seen.latest = (await vault.read(path)).data.data;
  seen['first version'] = (await vault.read(`${path}?version=1`)).data.data;
  seen['create over it'] = await refusal(vault.write(path, { data: {}, options: { cas: 0 } }));
  seen.list = (await vault.list(`${mount}/metadata/node`)).data.keys;
  await vault.delete(path);
  seen.deleted = await refusal(vault.read(path));
  await vault.delete(`${mount}/metadata/node/own`);
  seen.gone = await refusal(vault.read(path));

  seen.forbidden = await refusal(vault.read(`${mount}/data/forbidden`));
  seen.missing = await refusal(vault.read(`${mount}/data/nowhere`));

  const token = (await vault.tokenLookupSelf()).data;
  seen.token = { path: token.path, policies: token.policies };

  const answers = await Promise.all(
    Array.from({ length: 50 }, () => vault.read(`${mount}/data/lambda`)),
  );
  seen['at once'] = new Set(answers.map((answer) => JSON.stringify(answer.data.data))).size;

  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
