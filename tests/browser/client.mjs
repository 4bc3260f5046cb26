// An app that asks to be let in by OAuth: on this machine, or on the web with a certificate of its own making.
// It registers, sends people to be asked, and takes the answer where it said it would.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';

// A name that the browser is told to look for on this machine.
export const WEB_HOST = 'app.example.test';

async function certificate() {
  const folder = await mkdtemp(`${tmpdir()}/skaas-client-`);
  try {
    const [key, cert] = [`${folder}/key.pem`, `${folder}/cert.pem`];
    await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
      '-nodes', '-days', '2', '-subj', `/CN=${WEB_HOST}`, '-keyout', key, '-out', cert]);
    return { key: await readFile(key), cert: await readFile(cert) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

export class Client {
  // `onward`: where the app leads people once it has its answer, as many do.
  static async onThisMachine(house, name, onward) {
    return Client.listening(house, name, http.createServer(), 'http://127.0.0.1', onward);
  }

  static async onTheWeb(house, name) {
    return Client.listening(house, name, https.createServer(await certificate()), `https://${WEB_HOST}`);
  }

  static async listening(house, name, server, base, onward) {
    const client = new Client();
    Object.assign(client, { house, name, server, onward, heard: [] });
    server.on('request', (request, response) => client.hears(request, response));
    await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    client.home = `${base}:${server.address().port}`;
    await client.registers();
    return client;
  }

  leave() {
    this.server.closeAllConnections();
    return new Promise((resolve) => { this.server.close(resolve); });
  }

  hears(request, response) {
    const url = new URL(request.url, this.home);
    if (url.pathname === '/callback') {
      this.heard.push(Object.fromEntries(url.searchParams));
      if (this.onward) {
        response.writeHead(302, { location: this.onward }).end();
        return;
      }
    }
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><html lang="en"><title>Back</title><link rel="icon" href="data:,"><p>You are back in the app.</p>');
  }

  async registers() {
    const body = JSON.stringify({
      client_name: this.name, redirect_uris: [`${this.home}/callback`], token_endpoint_auth_method: 'none',
    });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${this.house.url}/oauth/register`, { method: 'POST', headers, body });
    assert.equal(answer.status, 201, await answer.clone().text());
    this.id = (await answer.json()).client_id;
  }

  // The address to which it sends a person's browser.
  question(scope = 'mcp') {
    this.verifier = randomBytes(32).toString('base64url');
    this.state = randomBytes(8).toString('base64url');
    const query = new URLSearchParams({
      response_type: 'code', client_id: this.id, redirect_uri: `${this.home}/callback`, scope, state: this.state,
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'), code_challenge_method: 'S256',
      resource: `${this.house.url}/mcp`,
    });
    return `${this.house.url}/oauth/authorize?${query}`;
  }

  // What came back last, which must be an answer to its own question from the server that it asked.
  answer() {
    const answer = this.heard.at(-1);
    assert.ok(answer, 'nobody came back to the app');
    assert.equal(answer.state, this.state);
    assert.equal(answer.iss, this.house.url);
    return answer;
  }

  async redeems() {
    const given = await this.house.send('/oauth/token', {
      grant_type: 'authorization_code', client_id: this.id, code: this.answer().code,
      redirect_uri: `${this.home}/callback`, code_verifier: this.verifier, resource: `${this.house.url}/mcp`,
    });
    assert.equal(given.status, 200, await given.clone().text());
    return (await given.json()).access_token;
  }
}
