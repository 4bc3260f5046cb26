// Runs the identity providers that the tests sign in with, on free loopback ports, until it is ended:
// oidc-provider (certified), and emulate's GitHub, Google, Okta and Entra. When all answer, the file named by
// the first argument holds `export` lines. The second argument is a folder with node_modules.
import { writeFile, rename } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [exportsFile, modules] = process.argv.slice(2);
const require = createRequire(`${modules}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name, { conditions: new Set(['import', 'node']) })).href);
const { default: Provider } = await load('oidc-provider');
const { createEmulator } = await load('emulate');

const client = { id: 'skaas-test', secret: 'skaas-test-secret-0123456789' };
// Providers that know exact redirect URIs only: a server under test takes a port of this range.
const ports = { first: 18900, last: 18999 };
const tenant = '5f0c1f2e-6d0b-4a53-9a7e-0c5d3d1f7b11';

const redirectUris = (provider) => {
  const uris = [];
  for (let port = ports.first; port <= ports.last; port += 1) {
    for (const host of ['127.0.0.1', 'localhost']) uris.push(`http://${host}:${port}/auth/${provider}/callback`);
  }
  return uris;
};
const oauthClient = (provider) => ({
  client_id: client.id, client_secret: client.secret, name: 'skaas', redirect_uris: redirectUris(provider),
});

const people = [
  { name: 'ann', full: 'Ann Archer', email: 'ann@example.com', groups: ['finance', 'executives'] },
  { name: 'bob', full: 'Bob Baker', email: 'bob@example.com', groups: ['finance'] },
  { name: 'carol', full: 'Carol Carver', email: 'carol@example.com', groups: [] },
  { name: 'dave', full: 'Dave Dyer', email: 'dave@example.com', groups: [] },
];

function seedOf(service) {
  const oauth_clients = [oauthClient(service === 'microsoft' ? 'entra' : service)];
  switch (service) {
    case 'github':
      return {
        users: people.map((p) => ({ login: p.name, name: p.full, email: p.email })),
        oauth_apps: oauth_clients,
      };
    case 'google':
      return {
        users: [
          ...people.map((p) => ({ email: p.email, name: p.full, email_verified: true, hd: 'example.com' })),
          { email: 'eve@elsewhere.test', name: 'Eve Elsewhere', email_verified: false, hd: '' },
        ],
        oauth_clients,
      };
    case 'microsoft':
      return {
        users: [
          ...people.map((p) => ({ email: p.email, name: p.full, tenant_id: tenant })),
          { email: 'eve@elsewhere.test', name: 'Eve Elsewhere', tenant_id: '00000000-0000-4000-8000-00000000e7e0' },
        ],
        oauth_clients: oauth_clients.map((c) => ({ ...c, tenant_id: tenant })),
      };
    default: {
      const groups = [...new Set(people.flatMap((p) => p.groups))];
      return {
        users: people.map((p) => ({
          okta_id: `00u${p.name}`, login: p.email, email: p.email,
          first_name: p.full.split(' ')[0], last_name: p.full.split(' ')[1],
        })),
        authorization_servers: [{ id: 'default', name: 'default', audiences: ['api://default'] }],
        groups: groups.map((name) => ({ okta_id: `00g${name}`, name })),
        group_memberships: people.flatMap((p) =>
          p.groups.map((name) => ({ group_okta_id: `00g${name}`, user_okta_id: `00u${p.name}` }))),
        oauth_clients: oauth_clients.map((c) => ({ ...c, auth_server_id: 'default' })),
      };
    }
  }
}

async function emulate(service) {
  const emulator = await createEmulator({ service, port: 0, seed: { [service]: seedOf(service) } });
  return emulator.url;
}

// Any name signs in there, with any password; who is known from above has more claims.
async function certified() {
  const server = createServer((request, response) => handle(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [{
      client_id: client.id, client_secret: client.secret, application_type: 'native',
      redirect_uris: redirectUris('oidc'), grant_types: ['authorization_code'], response_types: ['code'],
    }],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', kid: 'first' }] },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'groups'] },
    findAccount: (_, sub) => ({
      accountId: sub,
      claims: () => {
        const person = people.find((p) => p.name === sub);
        return {
          sub, email: person?.email ?? `${sub}@example.com`, email_verified: Boolean(person),
          name: person?.full ?? sub, preferred_username: sub, groups: person?.groups ?? [],
        };
      },
    }),
    // The tests are not about how long their provider remembers them.
    ttl: { Interaction: 3600, Session: 3600, Grant: 3600, AccessToken: 3600, IdToken: 3600 },
  });
  const handle = provider.callback();
  return issuer;
}

const [oidc, github, google, okta, entra] = await Promise.all([
  certified(), emulate('github'), emulate('google'), emulate('okta'), emulate('microsoft'),
]);
const values = {
  SKAAS_TEST_OIDC_ISSUER: oidc,
  SKAAS_TEST_GITHUB_BASE: github,
  SKAAS_TEST_GOOGLE_ISSUER: google,
  SKAAS_TEST_OKTA_ISSUER: `${okta}/oauth2/default`,
  SKAAS_TEST_ENTRA_ISSUER: `${entra}/${tenant}/v2.0`,
  SKAAS_TEST_ENTRA_TENANT: tenant,
  SKAAS_TEST_PROVIDER_CLIENT: client.id,
  SKAAS_TEST_PROVIDER_SECRET: client.secret,
  SKAAS_TEST_REDIRECT_PORTS: `${ports.first}-${ports.last}`,
};
const text = Object.entries(values).map(([name, value]) => `export ${name}=${value}\n`).join('');
await writeFile(`${exportsFile}.part`, text);
await rename(`${exportsFile}.part`, exportsFile);
process.on('SIGTERM', () => process.exit(0));
