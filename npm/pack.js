// Makes the npm packages: one for each program given, and the launcher that pins them all by version and SHA-256.
// Called by scripts/npm-pack.sh: node npm/pack.js VERSION OUT PLATFORM=FILE…
"use strict";

const { execFileSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

// node's words for each platform; `file` is the program's name there.
const PLATFORMS = {
  "linux-x64": { os: "linux", cpu: "x64", libc: "glibc", file: "bin/skaas" },
  "linux-arm64": { os: "linux", cpu: "arm64", libc: "glibc", file: "bin/skaas" },
  "darwin-x64": { os: "darwin", cpu: "x64", file: "bin/skaas" },
  "darwin-arm64": { os: "darwin", cpu: "arm64", file: "bin/skaas" },
  "win32-x64": { os: "win32", cpu: "x64", file: "bin/skaas.exe" },
};

// What tells one platform's programs from another's; a mistaken argument must not become a package.
const MAGIC = {
  "linux-x64": (b) => b.subarray(0, 4).toString("latin1") === "\x7fELF" && b.readUInt16LE(18) === 62,
  "linux-arm64": (b) => b.subarray(0, 4).toString("latin1") === "\x7fELF" && b.readUInt16LE(18) === 183,
  "darwin-x64": (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x01000007,
  "darwin-arm64": (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x0100000c,
  "win32-x64": (b) => b.subarray(0, 2).toString("latin1") === "MZ",
};

const here = __dirname;
const [version, out, ...programs] = process.argv.slice(2);

function stop(text) {
  process.stderr.write(`npm-pack: ${text}\n`);
  process.exit(2);
}

if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version || "")) stop(`"${version}" is not a version`);
if (programs.length === 0) stop("no program was given");

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "skaas-npm-"));
process.on("exit", () => fs.rmSync(scratch, { recursive: true, force: true }));
fs.mkdirSync(out, { recursive: true });

const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const licenses = ["LICENSE-MIT", "LICENSE-APACHE"].map((name) => path.join(here, "..", name));

function pack(folder, manifest) {
  fs.writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of licenses) fs.copyFileSync(file, path.join(folder, path.basename(file)));
  const args = ["pack", "--silent", "--ignore-scripts", "--pack-destination", path.resolve(out)];
  const name = execFileSync("npm", args, { cwd: folder, encoding: "utf8" }).trim().split("\n").pop();
  process.stdout.write(`${path.join(out, name)}\n`);
}

const launcher = read(path.join(here, "skaas/package.json"));
launcher.version = version;

for (const pair of programs) {
  const at = pair.indexOf("=");
  const [name, program] = [pair.slice(0, at), pair.slice(at + 1)];
  const platform = PLATFORMS[name];
  if (!platform) stop(`"${name}" is none of ${Object.keys(PLATFORMS).join(", ")}`);
  const bytes = fs.readFileSync(program);
  if (bytes.length < 64 || !MAGIC[name](bytes)) stop(`${program} is not a program for ${name}`);

  const folder = path.join(scratch, name);
  fs.cpSync(path.join(here, "platform"), folder, { recursive: true });
  fs.mkdirSync(path.join(folder, "bin"));
  fs.writeFileSync(path.join(folder, platform.file), bytes, { mode: 0o755 });
  const manifest = read(path.join(here, "platform/package.json"));
  Object.assign(manifest, {
    name: `skaas-${name}`,
    version,
    description: `The skaas program for ${name}.`,
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc ? { libc: [platform.libc] } : {}),
  });
  pack(folder, manifest);

  launcher.optionalDependencies[manifest.name] = version;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  launcher.binaries[name] = { package: manifest.name, file: platform.file, sha256 };
}

const folder = path.join(scratch, "skaas");
fs.cpSync(path.join(here, "skaas"), folder, { recursive: true });
pack(folder, launcher);
