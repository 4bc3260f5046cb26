// What people do on the pages. Each is told once with JavaScript and once without, and must be true both times.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { readFile } from 'node:fs/promises';
import { Client } from './client.mjs';
import { PASSWORD } from './visitor.mjs';

const NEW_PASSWORD = 'seven mossy anchors humming';

// Somebody whom a provider knows signs in with it: the first time they choose a name, from then on they are known.
// Then somebody with a password links another of its people, and unlinks. `label` is what our pages call it.
async function throughProvider(house, label) {
  const person = house.scripts ? 'ann' : 'bob';
  const name = `${person}-from-outside`;
  const newcomer = await house.open();
  await newcomer.visit('/signin?return_to=/account/identities');
  await newcomer.look(`signin-with-${label}`);
  await newcomer.press(`Continue with ${label}`);
  await newcomer.agreesElsewhere(person);
  await (await newcomer.sees('Choose a username', `You signed in with ${label}`)).look(`newcomer-${label}`);
  await newcomer.fill('Username', name);
  await newcomer.press('Create account');
  await newcomer.visit('/account/identities');
  await (await newcomer.sees(label, 'This is your only sign-in method')).look(`identities-${label}`);
  await newcomer.press('Sign out');
  assert.ok(!await newcomer.isIn());
  await newcomer.leave();

  const again = await house.open();
  await (await again.visit('/signin')).press(`Continue with ${label}`);
  await again.agreesElsewhere(person);
  await (await again.visit('/account')).sees(name);
  await again.leave();
  await linksAndUnlinks(house, label);
}

async function linksAndUnlinks(house, label) {
  const person = house.scripts ? 'carol' : 'dave';
  const visitor = await house.open();
  await visitor.join(person);
  await (await (await visitor.visit('/account/identities')).sees('No linked accounts.')).look('identities-none');
  await visitor.press(`Link ${label}`);
  await visitor.agreesElsewhere(person);
  await (await visitor.visit('/account/identities')).sees('Last used', `${person}@example.com`);
  await visitor.press('Sign out');
  await (await visitor.visit('/signin')).press(`Continue with ${label}`);
  await visitor.agreesElsewhere(person);
  await (await visitor.visit('/account/identities')).sees(person);
  await visitor.confirm(new RegExp(`^Unlink ${label}`), `Unlink ${label}?`, 'Unlink');
  await (await visitor.visit('/account/identities')).sees('No linked accounts.');
  await visitor.leave();
}

// A provider vouches for somebody whom this installation does not take: of another tenant, another organisation.
async function outsider(house, label, person, told) {
  const visitor = await house.open();
  await (await visitor.visit('/signin')).press(`Continue with ${label}`);
  await visitor.agreesElsewhere(person);
  await (await visitor.misses('Choose a username')).sees('Not allowed', told, 'Choose another sign-in method');
  await visitor.look(`outsider-${label}`);
  assert.ok(!await visitor.isIn());
  await visitor.leave();
}

async function switchTheme(visitor) {
  await visitor.visit('/signin');
  const background = () => visitor.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const before = await background();
  const button = visitor.page.locator('form[action="/theme"] button:visible');
  await Promise.all([visitor.page.waitForNavigation(), button.click()]);
  assert.equal(visitor.path, '/signin', 'one stays where one was');
  assert.notEqual(await background(), before);
  await visitor.visit('/signup');
  assert.notEqual(await background(), before, 'it is remembered');
  await visitor.leave();
}

// What an authenticator app shows for a secret in base 32 (RFC 6238).
function totp(secret) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'));
  const key = Buffer.from(bits.join('').match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const hash = createHmac('sha1', key).update(step).digest();
  const code = (hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1_000_000;
  return code.toString().padStart(6, '0');
}

// A passkey of the browser's own virtual authenticator: added, used alone and after a password, and removed.
async function usesPasskey(ann, name) {
  await ann.hasAuthenticator();
  await ann.visit('/account/security');
  await ann.fill('Name', 'My laptop');
  await ann.press('Add passkey');
  await (await ann.sees('Passkey added', 'Save these recovery codes now')).look('passkey-added');
  await (await (await ann.follow('I saved them')).sees('My laptop', '10 left')).look('security-passkey');
  await ann.press('Sign out');
  await (await ann.visit('/signin?return_to=/account/tokens')).look('signin-passkey');
  await ann.press('Sign in with a passkey');
  assert.equal(ann.path, '/account/tokens');
  await ann.press('Sign out');
  await ann.signIn(name);
  await (await ann.sees('Two-factor authentication', 'Use a passkey')).look('second-factor-passkey');
  await ann.press('Use a passkey');
  assert.equal(ann.path, '/account');
  await ann.visit('/account/security');
  await ann.follow('Rename My laptop');
  await ann.look('passkey-rename');
  await ann.fill('Name', 'Old laptop');
  await (await ann.press('Rename')).sees('Passkey renamed', 'Old laptop');
  await ann.confirm('Remove Old laptop', 'Remove Old laptop?', 'Remove passkey');
  await ann.sees('Passkey removed.');
  await ann.press('Sign out');
  await ann.visit('/signin');
  await (await ann.press('Sign in with a passkey')).sees('belongs to no account here');
  await ann.look('signin-passkey-refused');
  await (await ann.signIn(name)).visit('/account/security');
}

// A program without a browser asks to be signed in, as `skaas auth` does.
async function asks(house) {
  const answer = await house.send('/oauth/device_authorization', { client_id: 'skaas-cli', device_name: 'build server' });
  assert.equal(answer.status, 200);
  const asked = await answer.json();
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
  asked.fetched = async () => {
    const given = await house.send('/oauth/token', { grant_type, client_id: 'skaas-cli', device_code: asked.device_code });
    return { status: given.status, ...await given.json() };
  };
  return asked;
}

// As if the hour in which anybody could have answered were over. There is no other way to move a real server's clock.
function anHourPasses(house) {
  const database = new DatabaseSync(`${house.data}/skaas.db`, { timeout: 10_000 });
  try {
    const hour = 3_600_000_000;
    const { changes } = database.prepare(
      'UPDATE device_authorizations SET created_at = created_at - ?, expires_at = expires_at - ? WHERE state = ?',
    ).run(hour, hour, 'pending');
    assert.ok(changes > 0);
  } finally {
    database.close();
  }
}

// Somebody who is signed out is asked who they are on the way, and what they are asked then is the same question.
async function isAskedAbout(ann, client, name) {
  await ann.page.goto(client.question());
  await (await ann.sees(`Authorize ${client.name}?`, 'Sign in to continue')).look(`consent-stranger-${client.name}`);
  await ann.follow('Sign in to continue');
  await ann.fill('Username or email address', name);
  await ann.fill('Password', PASSWORD);
  await ann.press('Sign in');
  await (await ann.sees(`Authorize ${client.name}?`, name, new URL(client.home).hostname)).look(`consent-${client.name}`);
}

async function isBack(ann, client) {
  assert.equal(new URL(ann.page.url()).origin, client.home, await ann.text());
  await ann.sees('You are back in the app.');
}

async function isLetInOrNot(house, client) {
  const name = house.named('ann');
  const ann = await house.open({ ignoreHTTPSErrors: true });
  await ann.join(name);
  await ann.press('Sign out');
  await isAskedAbout(ann, client, name);
  await ann.press('Cancel');
  await isBack(ann, client);
  assert.equal(client.answer().error, 'access_denied');
  assert.equal(client.answer().code, undefined);

  await ann.page.goto(client.question());
  await ann.press('Authorize');
  await isBack(ann, client);
  const token = await client.redeems();
  assert.notEqual((await house.ask('/mcp', token)).status, 401, 'it opens what it was asked for');
  assert.equal((await house.ask('/api/tokens', token)).status, 401, 'and nothing else');

  await (await ann.visit('/account/applications')).sees(client.name, 'use tools through MCP');
  await ann.look('applications');
  await ann.confirm(new RegExp(`^Revoke access of ${client.name}`), `Revoke access of ${client.name}?`, 'Revoke access');
  await (await ann.visit('/account/applications')).sees('No authorized apps.');
  await ann.look('applications-none');
  assert.equal((await house.ask('/mcp', token)).status, 401, 'it is refused from its next request on');
  await ann.leave();
}

export const stories = {
  async 'signing-up'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await (await (await ann.visit('/')).look('home-stranger')).portray('home');
    await (await ann.follow('Create account')).look('signup');
    await ann.fill('Username', name);
    await ann.fill('Email address', `${name}@example.test`);
    await ann.fill('Password', 'password12345');
    await ann.press('Create account');
    assert.equal(ann.path, '/signup');
    await ann.look('signup-refused');
    await ann.fill('Password', PASSWORD);
    await ann.press('Create account');
    await ann.sees('Welcome.', name);
    await ann.look('welcome');
    await (await ann.visit('/account')).sees('None yet');
    await ann.page.goto(await ann.mailed(`${name}@example.test`));
    await (await ann.sees(`${name}@example.test`)).look('verify');
    await ann.press('Confirm');
    await ann.sees('Your email address is confirmed.');
    await (await ann.visit('/account')).sees(`${name}@example.test`, 'confirmed');
    await ann.look('account');
    await (await ann.visit('/')).look('home-member');
    await (await ann.follow(name)).sees(name, 'has no published skills yet');
    await ann.look('profile');
    await ann.leave();
  },

  async 'signing-in-and-out'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    await ann.press('Sign out');
    await ann.sees('signed out of this browser');
    assert.ok(!await ann.isIn());
    await (await ann.visit('/signin')).look('signin');
    await ann.signIn(name, 'wrong horse wrong staple');
    assert.equal(ann.path, '/signin');
    await ann.look('signin-refused');
    const byName = await ann.text();
    await ann.signIn(`nobody-${name}`, 'wrong horse wrong staple');
    assert.equal(await ann.text(), byName, 'a wrong name and a wrong password read the same');
    await ann.signIn(name);
    assert.ok(await ann.isIn());
    await ann.press('Sign out');
    await ann.signIn(`${name}@example.test`);
    assert.ok(await ann.isIn());
    await ann.leave();
  },

  async 'resetting-the-password'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    const forgetful = await house.open();
    await (await forgetful.visit('/signin')).follow('Forgot your password?');
    await forgetful.look('reset');
    await forgetful.fill('Email address', `${name}@example.test`);
    await forgetful.press('Email me a link');
    await (await forgetful.sees('Check your email')).look('reset-asked');
    const link = await forgetful.mailed(`${name}@example.test`);
    await forgetful.page.goto(link);
    await forgetful.look('reset-new');
    await forgetful.fill('New password', NEW_PASSWORD);
    await forgetful.press('Set new password');
    assert.ok(!await ann.isIn(), 'every browser is signed out');
    await forgetful.signIn(name, PASSWORD);
    assert.equal(forgetful.path, '/signin', 'the old one is no longer any good');
    await forgetful.signIn(name, NEW_PASSWORD);
    assert.ok(await forgetful.isIn());
    await forgetful.visit(link, 404);
    await (await forgetful.look('link-used')).leave();
    await ann.leave();
  },

  async 'making-and-revoking-a-token'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    await (await ann.visit('/account/tokens')).sees('No API tokens yet');
    await ann.look('tokens-none');
    await ann.page.getByLabel('Full access').check();
    await ann.fill('Name', 'build server');
    await ann.press('Create token');
    await (await ann.sees('Token created: build server', 'Copy the token now')).look('token-created');
    const token = (await ann.text()).match(/sk_live_\w+/)[0];
    assert.equal((await house.ask('/api/me', token)).status, 200);
    await ann.follow('Done');
    await (await ann.sees('build server', 'Revoke')).misses(token);
    await ann.page.getByRole('checkbox').first().check();
    await ann.fill('Name', 'a reader with a long name for the table to hold');
    await ann.press('Create token');
    await ann.follow('Done');
    await ann.look('tokens');
    await ann.confirm('Revoke build server', 'Revoke build server?', 'Revoke token');
    await ann.sees('revoked');
    assert.equal((await house.ask('/api/me', token)).status, 401);
    await ann.fill('Name', 'nothing');
    await ann.press('Create token');
    await ann.look('tokens-refused');
    await ann.leave();
  },

  // A list is searched by its form, filtered by its tabs, and the address says what is shown.
  async 'searching-a-list'(house) {
    const ann = await house.open();
    await ann.join(house.named('ann'));
    for (const number of [1, 2, 3, 4, 5, 6, 7]) {
      await ann.visit('/account/tokens');
      await ann.fill('Name', `runner ${number}`);
      await ann.page.getByLabel('Full access: everything you can do').check();
      await ann.press('Create token');
    }
    await (await (await ann.visit('/account/tokens')).sees('7 tokens', 'runner 1', 'runner 7')).look('tokens-many');
    if (house.scripts) {
      // Typing is enough.
      await ann.page.getByLabel('Search tokens').pressSequentially('runner 3', { delay: 20 });
      await ann.page.locator('#results-count', { hasText: '1 of 7 tokens' }).waitFor();
    } else {
      await ann.page.getByLabel('Search tokens').fill('runner 3');
      await ann.press('Search');
    }
    assert.equal(new URL(ann.page.url()).searchParams.get('q'), 'runner 3');
    await (await (await ann.sees('1 of 7 tokens', 'runner 3')).misses('runner 4')).look('tokens-found');
    await ann.follow('Inactive');
    await (await ann.sees('0 of 7 tokens', 'Nothing found.')).look('tokens-found-none');
    await ann.follow('Show all');
    await ann.sees('7 tokens', 'runner 4');
    await ann.leave();
  },

  async 'seeing-and-ending-sessions'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    const phone = await house.open({ userAgent: 'Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0' });
    await phone.signIn(name);
    await (await ann.visit('/account/sessions')).sees('this browser', 'Firefox on Android', '127.0.0.1');
    await ann.look('sessions');
    await ann.confirm('Sign out everywhere else', 'Sign out everywhere else?', 'Sign out everywhere else');
    await ann.sees('Every other browser is signed out');
    assert.ok(!await phone.isIn());
    assert.ok(await ann.isIn());
    await ann.follow('Activity');
    await (await ann.sees('Signed out everywhere', 'Signed in', 'Account created', '127.0.0.1')).look('activity');
    await phone.leave();
    await ann.leave();
  },

  async 'changing-and-deleting-an-account'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    await ann.visit('/account');
    await ann.fill('New email address', `new-${name}@example.test`);
    await ann.press('Email me a link');
    await ann.page.goto(await ann.mailed(`new-${name}@example.test`));
    await ann.press('Confirm');
    await (await ann.visit('/account')).sees(`new-${name}@example.test`);
    await (await ann.follow('Password')).look('password');
    await ann.fill('Current password', 'not mine at all');
    await ann.fill('New password', NEW_PASSWORD);
    await ann.press('Change password');
    await (await ann.sees('This is not your password')).look('password-refused');
    // The field at fault has the focus.
    assert.equal(await ann.page.locator(':focus').getAttribute('id'), 'current');
    await ann.fill('Current password', PASSWORD);
    await ann.fill('New password', NEW_PASSWORD);
    await ann.press('Change password');
    await (await ann.sees('Password changed.')).visit('/account');
    await ann.fill(`Type ${name} to confirm`, name);
    await ann.fill('Password', NEW_PASSWORD);
    await ann.press('Delete account');
    await (await ann.sees('Your account is deleted')).look('deleted');
    assert.ok(!await ann.isIn());
    await ann.leave();
  },

  async 'reading-how-to-call-the-api'(house) {
    const reader = await house.open();
    await (await reader.visit('/')).follow('API');
    await (await reader.sees('/api/tokens', 'problem+json', 'curl')).look('api');
    await reader.leave();
  },

  // Seeded from outside: a creator `maker` with the skill `migration-guard`.
  async 'looking-at-a-skill'(house) {
    const visitor = await house.open();
    await visitor.visit('/skills/migration-guard');
    await visitor.sees('migration-guard', '$19', 'take payments yet', 'git clone');
    await visitor.look('skill-stranger');
    await visitor.follow('ann');
    await visitor.sees('migration-guard');
    await visitor.look('profile-creator');
    await visitor.visit('/no/such/page', 404);
    await visitor.look('nothing-here');
    await visitor.leave();
  },

  // Seeded from outside: the skill `migration-guard`, for free.
  async 'getting-a-free-skill'(house) {
    const name = house.named('bob');
    const bob = await house.open();
    await bob.join(name);
    await bob.press('Sign out');
    await (await bob.visit('/skills/migration-guard')).sees('Free', 'Sign in to get this skill');
    await bob.look('skill-free-stranger');
    await bob.follow('Sign in to get this skill');
    await bob.fill('Username or email address', name);
    await bob.fill('Password', PASSWORD);
    await bob.press('Sign in');
    assert.equal(bob.path, '/skills/migration-guard');
    await (await (await bob.sees('It stays yours')).look('skill-free')).portray('skill');
    await bob.press('Get this skill');
    await (await bob.sees('Added.', 'You have this skill.')).look('skill-added');
    await bob.leave();
  },

  // Seeded from outside: a creator `ann` with the skill `migration-guard`, and operators `olga` and `olga-plain` with
  // confirmed addresses, who have set no password yet.
  async 'at-the-operators-desk'(house) {
    const name = house.named('olga');
    const user = house.named('mallory');
    const mallory = await house.open();
    await mallory.signUp(user);
    // To others there is no such page, and no link to it.
    await (await mallory.visit('/operator', 404)).misses('Operator');
    const olga = await house.open();
    await olga.visit('/reset');
    await olga.fill('Email address', `${name}@example.test`);
    await olga.press('Email me a link');
    await olga.page.goto(await olga.mailed(`${name}@example.test`));
    await olga.fill('New password', PASSWORD);
    await olga.press('Set new password');
    await olga.signIn(name);
    // The role requires a second factor.
    await olga.sees('Passkeys and 2FA');
    await olga.follow('Operator');
    await olga.sees('Passkeys and 2FA');
    await olga.press('Add authenticator app');
    const secret = (await olga.page.locator('pre code').first().innerText()).replace(/\s/g, '');
    await olga.fill('Code', totp(secret));
    await olga.press('Add app');
    await olga.sees('Save these recovery codes now');
    await olga.follow('Operator');
    await (await olga.sees('Overview', 'Operators', name, 'ready')).look('operator');
    await olga.follow('Users');
    await (await olga.sees(user, 'ann')).look('operator-users');
    await olga.visit(`/operator/users?q=${user}`);
    await olga.follow(user);
    await (await olga.sees('active', 'API token')).look('operator-user');
    await olga.follow('Suspend');
    await (await olga.sees(`Suspend ${user}?`, 'Nothing is deleted')).look('operator-suspend');
    await olga.fill('Reason', '\u200b');
    await olga.press('Suspend');
    await (await olga.sees('Give a reason')).look('operator-suspend-refused');
    await olga.fill('Reason', 'stolen card');
    await olga.press('Suspend');
    await (await olga.sees(`${user} is suspended.`, 'stolen card')).look('operator-user-suspended');
    assert.ok(!await mallory.isIn());
    await mallory.signIn(user);
    await (await mallory.sees('This account is suspended')).look('signin-suspended');
    await olga.confirm('Unsuspend', `Unsuspend ${user}?`, 'Unsuspend');
    await olga.sees('is no longer suspended.');
    assert.ok(await mallory.isIn());
    await olga.confirm('Sign out everywhere', `Sign out ${user} everywhere?`, 'Sign out everywhere');
    assert.ok(!await mallory.isIn());

    await olga.follow('Skills');
    await (await olga.sees('migration-guard', 'published')).look('operator-listings');
    await olga.follow('migration-guard');
    await (await olga.sees('ann', 'Releases')).look('operator-listing');
    await olga.follow('Quarantine');
    await (await olga.sees('Quarantine migration-guard?')).look('operator-quarantine');
    await olga.fill('Reason', 'reads SSH keys');
    await olga.press('Quarantine');
    await (await olga.sees('migration-guard is in quarantine.', 'reads SSH keys')).look('operator-listing-quarantined');
    await mallory.visit('/skills/migration-guard', 404);
    await olga.confirm('Release', 'Release migration-guard?', 'Release');
    await olga.sees('migration-guard is released from quarantine.');
    await mallory.visit('/skills/migration-guard');

    await olga.follow('Audit log');
    await (await olga.sees('Listing quarantined', 'Account suspended', user, name)).look('operator-audit');
    await olga.follow('Jobs');
    await olga.look('operator-jobs');
    await (await olga.visit('/operator/settings')).sees('marketplace_name', 'SKAAS_MARKETPLACE_NAME', 'command line');
    await olga.look('operator-settings');
    await (await olga.visit('/operator/settings?q=nothing-like-it')).sees('Nothing found');
    await olga.look('operator-settings-none');
    await olga.leave();
    await mallory.leave();
  },

  async 'switching-the-theme'(house) {
    // What is offered is the other one, whichever the system has.
    for (const colorScheme of ['light', 'dark']) await switchTheme(await house.open({ colorScheme }));
  },

  async 'by-keyboard-alone'(house) {
    const name = house.named('kay');
    const kay = await house.open();
    const keys = kay.page.keyboard;
    await kay.visit('/signup');
    await keys.press('Tab');
    assert.equal(await kay.page.locator(':focus').innerText(), 'Skip to content');
    await kay.look('keyboard-skip');
    await keys.press('Enter');
    // From the skip link on, the next stops are the form's fields, in the order in which they are read.
    for (const [label, text] of [['Username', name], ['Email address', `${name}@example.test`], ['Password', PASSWORD]]) {
      await keys.press('Tab');
      const field = kay.page.getByLabel(label, { exact: true });
      assert.equal(await kay.page.locator(':focus').getAttribute('id'), await field.getAttribute('id'), label);
      await keys.type(text);
    }
    await Promise.all([kay.page.waitForNavigation(), keys.press('Enter')]);
    await kay.sees('Welcome.');
    await kay.leave();
  },

  async 'signing-in-with-github'(house) { await throughProvider(house, 'GitHub'); },

  async 'signing-in-with-okta'(house) { await throughProvider(house, 'Okta'); },

  async 'signing-in-with-openid'(house) { await throughProvider(house, 'oidc'); },

  // Seeded there: eve, who is in no organisation.
  async 'signing-in-with-google'(house) {
    await throughProvider(house, 'Google');
    await outsider(house, 'Google', 'eve', "members of this server's organization");
  },

  // Seeded there: eve, of another tenant.
  async 'signing-in-with-entra'(house) {
    await throughProvider(house, 'Microsoft');
    await outsider(house, 'Microsoft', 'eve', 'did not confirm who you are');
  },

  async 'approving-a-device'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    await ann.press('Sign out');
    const asked = await asks(house);
    // Not signed in, one is asked to be first, and is led back to the question.
    await ann.page.goto(asked.verification_uri_complete);
    assert.equal(ann.path, '/signin');
    await ann.fill('Username or email address', name);
    await ann.fill('Password', PASSWORD);
    await ann.press('Sign in');
    await (await ann.sees('Sign in this device?', asked.user_code, 'build server', name)).look('device-ask');
    await ann.portray('device');
    await ann.press('Authorize');
    await (await ann.sees('Device signed in')).look('device-approved');
    const given = await asked.fetched();
    assert.equal(given.status, 200, JSON.stringify(given));
    assert.equal((await house.ask('/api/me', given.access_token)).status, 200);
    await (await ann.visit('/account/tokens')).sees('build server');
    await ann.leave();
  },

  async 'denying-a-device'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    const asked = await asks(house);
    await (await ann.visit('/device')).look('device');
    await ann.fill('Code', 'BBBB-BBBB');
    await ann.press('Continue');
    await ann.look('device-unknown');
    // Typed as people type.
    await ann.fill('Code', asked.user_code.toLowerCase().replace('-', ' '));
    await ann.press('Continue');
    await ann.sees('Sign in this device?');
    await ann.press('Cancel');
    await (await ann.sees('Canceled')).look('device-refused');
    assert.equal((await asked.fetched()).error, 'access_denied');
    await (await ann.visit('/account/tokens')).sees('No API tokens yet');
    await ann.leave();
  },

  async 'answering-a-device-too-late'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    const asked = await asks(house);
    await ann.visit(`/device?user_code=${asked.user_code}`);
    await ann.sees('Sign in this device?');
    anHourPasses(house);
    await ann.press('Authorize');
    await (await ann.sees('older than 15 minutes', 'For a new one, run skaas auth')).misses('Device signed in');
    await ann.look('device-too-late');
    assert.equal((await asked.fetched()).error, 'expired_token');
    await (await ann.visit('/account/tokens')).sees('No API tokens yet');
    await ann.leave();
  },

  async 'using-a-second-factor'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    await ann.join(name);
    await (await ann.visit('/account/security')).look('security');
    if (house.scripts) {
      await usesPasskey(ann, name);
    } else {
      await ann.sees('Passkeys need JavaScript.');
      await (await ann.press('Add passkey')).sees('Passkeys need JavaScript, which is turned off in this browser.');
    }
    await ann.press('Add authenticator app');
    await (await ann.sees('Scan the QR code')).look('authenticator-app');
    const secret = (await ann.page.locator('pre code').first().innerText()).replace(/\s/g, '');
    await ann.fill('Code', '000');
    await (await ann.press('Add app')).sees('This is not the code that the app shows now');
    await ann.look('authenticator-app-refused');
    await ann.fill('Code', totp(secret));
    await ann.press('Add app');
    await (await ann.sees('Authenticator app added', 'Save these recovery codes now')).look('recovery-codes');
    const codes = (await ann.page.locator('pre code').first().innerText()).trim().split('\n');
    assert.equal(codes.length, 10);
    const [file] = await Promise.all([
      ann.page.waitForEvent('download'), ann.page.getByRole('link', { name: 'Download as text' }).click(),
    ]);
    const text = await readFile(await file.path(), 'utf8');
    assert.equal(file.suggestedFilename(), 'skaas-recovery-codes.txt');
    assert.ok(codes.every((code) => text.includes(code)) && text.includes(name), text);
    await ann.follow('I saved them');
    await ann.look('security-app');
    await ann.press('Sign out');
    await ann.signIn(name);
    await (await ann.sees('Two-factor authentication')).look('second-factor');
    assert.ok(!await ann.isIn());
    await ann.signIn(name);
    await ann.fill('Code', codes[0].toUpperCase());
    await ann.press('Continue');
    await (await ann.visit('/account/security')).sees('9 left');
    await ann.confirm('Remove app', 'Remove the authenticator app?', 'Remove app');
    await (await ann.sees('Authenticator app removed.')).press('Sign out');
    await ann.signIn(name);
    assert.ok(await ann.isIn());
    await ann.leave();
  },

  // Somebody who has no account yet makes one on the way, and is led to the question all the same.
  async 'taking-a-device-back'(house) {
    const name = house.named('ann');
    const ann = await house.open();
    const asked = await asks(house);
    await ann.page.goto(asked.verification_uri_complete);
    await ann.follow('Create account');
    await ann.fill('Username', name);
    await ann.fill('Email address', `${name}@example.test`);
    await ann.fill('Password', PASSWORD);
    await ann.press('Create account');
    await ann.sees('Sign in this device?', asked.user_code, name);
    await ann.press('Authorize');
    const token = (await asked.fetched()).access_token;
    const git = () => fetch(`${house.url}/me/marketplace.git/info/refs?service=git-upload-pack`, {
      headers: { authorization: `Basic ${btoa(`${name}:${token}`)}` },
    });
    assert.equal((await git()).status, 200);
    await ann.visit('/account/tokens');
    await ann.confirm('Revoke build server', 'Revoke build server?', 'Revoke token');
    await (await ann.sees('revoked')).look('tokens-revoked');
    assert.equal((await git()).status, 401);
    assert.equal((await house.ask('/api/me', token)).status, 401);
    await ann.leave();
  },

  async 'letting-a-loopback-client-in'(house) {
    const client = await Client.onThisMachine(house, 'Rainy Day Notes');
    await isLetInOrNot(house, client);
    await client.leave();
  },

  // Having its answer, such an app leads on: here a program on this machine to the pages of its maker.
  async 'letting-a-web-client-in'(house) {
    const web = await Client.onTheWeb(house, 'Weather Desk');
    await isLetInOrNot(house, web);
    const program = await Client.onThisMachine(house, 'Weather Program', `${web.home}/welcome`);
    const name = house.named('ben');
    const ben = await house.open({ ignoreHTTPSErrors: true });
    await ben.join(name);
    await ben.page.goto(program.question());
    await ben.press('Authorize');
    await isBack(ben, web);
    await program.redeems();
    await ben.leave();
    await program.leave();
    await web.leave();
  },
};
