// Drives isomorphic-git, as a program that embeds it would.
//
//     node drive.mjs MODULES clone|clone-depth-1|fetch|update URL FOLDER USER TOKEN
//
// `fetch` makes an empty repository and fetches into it; `update` fetches in a copy that is there. What the library
// lets its caller know, messages of the server included, goes to standard error, and a failure to exit code 1.

import fs from 'node:fs'
import { createRequire } from 'node:module'

const [modules, verb, url, dir, username, password] = process.argv.slice(2)
const require = createRequire(`${modules}/`)
const git = require('isomorphic-git')
const http = require('isomorphic-git/http/node')

const common = {
  fs,
  http,
  dir,
  onAuth: () => ({ username, password }),
  onMessage: message => process.stderr.write(message),
}

try {
  if (verb === 'clone') await git.clone({ ...common, url })
  else if (verb === 'clone-depth-1') await git.clone({ ...common, url, depth: 1 })
  else {
    if (verb === 'fetch') {
      await git.init({ fs, dir, defaultBranch: 'main' })
      await git.addRemote({ fs, dir, remote: 'origin', url })
    }
    await git.fetch({ ...common, remote: 'origin' })
  }
} catch (error) {
  process.stderr.write(`${error.code}: ${error.message}\n`)
  process.exit(1)
}
