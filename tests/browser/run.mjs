// Runs one story in a real browser against a running server, first with JavaScript and then without:
//
//   node run.mjs STORY
//
// SKAAS_STORY_URL is the server, SKAAS_STORY_DATA its data folder, SKAAS_STORY_MAIL the folder of its mail,
// SKAAS_STORY_SCREENSHOTS where pictures go; SKAAS_STORY_IMAGES, if it is set, where the README's pictures go. SKAAS_TEST_BROWSER and SKAAS_TEST_BROWSER_MODULES are what scripts/test-browser.sh exports.
// It ends with 0 when the story is true, and else says where it was not.
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { WEB_HOST } from './client.mjs';
import { stories } from './stories.mjs';
import { Visitor } from './visitor.mjs';

const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const name = process.argv[2];
const story = stories[name];
if (!story) throw new Error(`no story is called ${name}; there are: ${Object.keys(stories).join(', ')}`);

const modules = env('SKAAS_TEST_BROWSER_MODULES');
const require = createRequire(`${modules}/`);
const { chromium } = require('playwright-core');
const axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');

// Tests run as root in containers, where Chromium's own sandbox cannot be made.
const browser = await chromium.launch({
  executablePath: env('SKAAS_TEST_BROWSER'),
  args: [`--host-resolver-rules=MAP ${WEB_HOST} 127.0.0.1`, ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
});
try {
  for (const scripts of [true, false]) {
    const house = {
      browser, axe, scripts, story: name,
      url: env('SKAAS_STORY_URL'), data: env('SKAAS_STORY_DATA'), mail: env('SKAAS_STORY_MAIL'), pictures: env('SKAAS_STORY_SCREENSHOTS'),
      images: process.env.SKAAS_STORY_IMAGES,
      // Each round has people of its own.
      named: (person) => (scripts ? person : `${person}-plain`),
      open: (options) => Visitor.arrive(house, options),
      // Programs beside the browser: one that sends a form, one that has a token.
      send: (path, fields) => fetch(`${env('SKAAS_STORY_URL')}${path}`, { method: 'POST', body: new URLSearchParams(fields) }),
      ask: (path, token) => fetch(`${env('SKAAS_STORY_URL')}${path}`, { headers: { authorization: `Bearer ${token}` } }),
    };
    await story(house);
    console.log(`${name}: true ${scripts ? 'with' : 'without'} JavaScript`);
  }
} finally {
  await browser.close();
}
