// One person in one browser: what they open, type and press, and what they must see. Fields and buttons are
// found by what they are called on the page, as a person or a screen reader finds them.
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile } from 'node:fs/promises';

const PATIENCE = 30_000;
const WIDE = { width: 1200, height: 800 };
const NARROW = { width: 375, height: 740 };
// The narrowest screens that are still sold: nothing may stick out there.
const NARROWEST = { width: 320, height: 640 };
export const PASSWORD = 'copper lantern quietly drifts';

export class Visitor {
  static async arrive(house, options = {}) {
    const context = await house.browser.newContext({
      javaScriptEnabled: house.scripts, viewport: WIDE, baseURL: house.url, reducedMotion: 'reduce', ...options,
    });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    return new Visitor(house, context, page);
  }

  constructor(house, context, page) {
    Object.assign(this, { house, context, page, faults: [] });
    page.on('pageerror', (error) => this.faults.push(`script: ${error}`));
    page.on('console', (message) => {
      // A refused form is answered with a status of its own; browsers call every such answer an error.
      const expected = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !expected) this.faults.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const origin = new URL(request.url()).origin;
      const ours = new URL(house.url).origin;
      if (request.resourceType() !== 'document' && new URL(page.url()).origin === ours && origin !== ours &&
        !request.url().startsWith('data:')) this.faults.push(`something is fetched from ${origin}`);
    });
  }

  async leave() {
    assert.deepEqual(this.faults, [], 'the browser complained');
    await this.context.close();
  }

  get path() { return new URL(this.page.url()).pathname; }

  async visit(path, status = 200) {
    const answer = await this.page.goto(path);
    assert.equal(answer.status(), status, `${path}`);
    return this;
  }

  async fill(label, text) {
    await this.page.locator('input').and(this.page.getByLabel(label, { exact: true })).fill(text);
    return this;
  }

  async press(button) {
    const target = this.page.getByRole('button', { name: button, exact: true });
    await Promise.all([this.page.waitForNavigation(), target.click()]);
    return this;
  }

  async follow(link) {
    const target = this.page.getByRole('link', { name: link, exact: true });
    await Promise.all([this.page.waitForNavigation(), target.first().click()]);
    return this;
  }

  // Follows the link that leads to a question, and answers it: revoke, unlink, sign out.
  async confirm(link, question, button) {
    const target = this.page.getByRole('link', { name: link });
    await Promise.all([this.page.waitForNavigation(), target.first().click()]);
    await (await this.sees(question)).look(`confirm-${button.toLowerCase().replaceAll(' ', '-')}`);
    return this.press(button);
  }

  text() { return this.page.locator('body').innerText(); }

  async sees(...texts) {
    const shown = (await this.text()).replace(/\s+/g, ' ');
    for (const text of texts) assert.ok(shown.includes(text), `${this.page.url()} does not say "${text}":\n${shown}`);
    return this;
  }

  async misses(...texts) {
    const shown = await this.text();
    for (const text of texts) assert.ok(!shown.includes(text), `${this.page.url()} says "${text}":\n${shown}`);
    return this;
  }

  // The page as it stands is held against the accessibility rules, in light and dark, wide and narrow, and
  // pictures of it are kept. The rules are a script: where the visitor has none, a copy of what they see is
  // judged in a page of its own.
  async look(name) {
    await mkdir(this.house.pictures, { recursive: true });
    const called = this.house.scripts ? name : `${name}-plain`;
    const all = [['light', 'light', WIDE], ['dark', 'dark', WIDE], ['narrow', 'light', NARROW]];
    // Colours are those of the same stylesheet: they were seen with JavaScript.
    const looks = all.filter(([look]) => this.house.scripts || look !== 'dark');
    const judged = this.house.scripts ? this.page : await this.copy();
    for (const [look, colorScheme, size] of looks) {
      await judged.emulateMedia({ colorScheme });
      await judged.setViewportSize(size);
      await judged.screenshot({ path: `${this.house.pictures}/${called}-${look}.png`, fullPage: true });
      await this.fits(judged, `${called} (${look})`);
      await this.judge(judged, `${called} (${look})`);
    }
    await judged.setViewportSize(NARROWEST);
    await this.fits(judged, `${called} (narrowest)`);
    if (judged !== this.page) {
      await judged.context().close();
    } else {
      await judged.emulateMedia({ colorScheme: 'light' });
      await judged.setViewportSize(WIDE);
    }
    return this;
  }

  // A picture for the README: the first screen, in light, with JavaScript.
  async portray(name) {
    if (this.house.images && this.house.scripts) {
      await this.page.emulateMedia({ colorScheme: 'light' });
      await this.page.setViewportSize({ width: 1200, height: 720 });
      await mkdir(this.house.images, { recursive: true });
      await this.page.screenshot({ path: `${this.house.images}/${name}.png` });
      await this.page.setViewportSize(WIDE);
    }
    return this;
  }

  // What is on the screen, without the page's own scripts, where the driver may run one.
  async copy() {
    const address = this.page.url();
    const body = (await this.page.content()).replace(/<script\b[^>]*>\s*<\/script>/g, '');
    const context = await this.house.browser.newContext({ viewport: WIDE, reducedMotion: 'reduce' });
    await context.route(address, (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body }));
    const page = await context.newPage();
    await page.goto(address);
    return page;
  }

  async fits(page, what) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${what} is ${wide}px wider than the screen`);
  }

  async judge(page, what) {
    await page.evaluate(this.house.axe);
    const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    assert.ok(passes.length > 10, `${what}: the rules were not run`);
    const told = violations.map(({ id, impact, help, nodes }) =>
      `${id} (${impact}): ${help}\n  ${nodes.map((node) => node.html).join('\n  ')}`);
    assert.equal(violations.length, 0, `${what} at ${page.url()}:\n${told.join('\n')}`);
  }

  async signUp(name) {
    await this.visit('/signup');
    await this.fill('Username', name);
    await this.fill('Email address', `${name}@example.test`);
    await this.fill('Password', PASSWORD);
    await this.press('Create account');
    return this.sees('Welcome.', name);
  }

  async confirmAddress(name) {
    await this.page.goto(await this.mailed(`${name}@example.test`));
    await this.sees('Confirm your email address', name);
    await this.press('Confirm');
    return this.sees('Your email address is confirmed.');
  }

  async join(name) {
    await this.signUp(name);
    return this.confirmAddress(name);
  }

  async signIn(login, password = PASSWORD) {
    await this.visit('/signin');
    await this.fill('Username or email address', login);
    await this.fill('Password', password);
    return this.press('Sign in');
  }

  // At somebody else's sign-in page: says who one is where that is asked, agrees to all else, until sent back.
  async agreesElsewhere(person) {
    const home = new URL(this.house.url).origin;
    await this.page.waitForURL((url) => url.origin !== home);
    for (let step = 0; step < 6; step += 1) {
      await this.page.waitForLoadState();
      if (new URL(this.page.url()).origin === home) return this;
      const named = this.page.locator('form').filter({ hasText: person });
      const form = await named.count() > 0 ? named.first() : this.page.locator('form').first();
      for (const field of await form.locator('input:not([type=hidden], [type=submit], [type=checkbox])').all()) {
        await field.fill(person);
      }
      await Promise.all([this.page.waitForNavigation(), form.locator('[type=submit], button').first().click()]);
    }
    return assert.fail(`the sign-in does not end: ${this.page.url()}\n${await this.text()}`);
  }

  // Plugs in an authenticator that knows its owner by their fingerprint.
  async hasAuthenticator() {
    const session = await this.context.newCDPSession(this.page);
    await session.send('WebAuthn.enable');
    await session.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
        isUserVerified: true, automaticPresenceSimulation: true,
      },
    });
  }

  async isIn() {
    await this.page.goto('/account');
    return this.path === '/account';
  }

  // The link in the newest mail to this address that has one not followed yet. Mail is written after the answer, so it is waited for.
  async mailed(address) {
    const until = Date.now() + PATIENCE;
    this.house.followed ??= new Set();
    while (Date.now() < until) {
      const names = await readdir(this.house.mail).catch(() => []);
      for (const name of names.filter((name) => name.endsWith('.eml')).sort().reverse()) {
        const mail = await readFile(`${this.house.mail}/${name}`, 'utf8');
        if (!mail.includes(`To: ${address}`) || this.house.followed.has(name)) continue;
        const plain = mail.replace(/=\r?\n/g, '').replace(/=3D/g, '=');
        const link = plain.match(/https?:\/\/[^\s"<>]*code=[^\s"<>]+/);
        if (!link) continue;
        this.house.followed.add(name);
        return link[0];
      }
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    return assert.fail(`no mail with a link came to ${address}`);
  }
}
