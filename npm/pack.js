// Makes the npm packages of a product: one for each program given, and the launcher that pins them all by version and
// SHA-256. Called by scripts/npm-pack.sh: node npm/pack.js PRODUCT VERSION OUT PLATFORM=FILE…
"use strict";

const { execFileSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

// Platforms by Node's names. The C library is part of the name only where Node does not tell it apart.
const PLATFORMS = {
  "linux-x64": { os: "linux", cpu: "x64", libc: "glibc" },
  "linux-arm64": { os: "linux", cpu: "arm64", libc: "glibc" },
  "linux-x64-musl": { os: "linux", cpu: "x64", libc: "musl" },
  "linux-arm64-musl": { os: "linux", cpu: "arm64", libc: "musl" },
  "darwin-x64": { os: "darwin", cpu: "x64" },
  "darwin-arm64": { os: "darwin", cpu: "arm64" },
  "win32-x64": { os: "win32", cpu: "x64", suffix: ".exe" },
};

// How to recognize a program for each platform, so that a mistaken argument does not become a package.
const elf = (b, machine) => b.subarray(0, 4).toString("latin1") === "\x7fELF" && b.readUInt16LE(18) === machine;
const MAGIC = {
  "linux-x64": (b) => elf(b, 62),
  "linux-arm64": (b) => elf(b, 183),
  "linux-x64-musl": (b) => elf(b, 62) && !isForGlibc(b),
  "linux-arm64-musl": (b) => elf(b, 183) && !isForGlibc(b),
  "darwin-x64": (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x01000007,
  "darwin-arm64": (b) => b.readUInt32LE(0) === 0xfeedfacf && b.readUInt32LE(4) === 0x0100000c,
  "win32-x64": (b) => b.subarray(0, 2).toString("latin1") === "MZ",
};

// The loader is named near the start of a program for glibc. A static program names none.
function isForGlibc(b) {
  return b.subarray(0, 4096).includes("ld-linux");
}

const here = __dirname;
const [product, version, out, ...programs] = process.argv.slice(2);

function stop(text) {
  process.stderr.write(`npm-pack: ${text}\n`);
  process.exit(2);
}

if (!fs.existsSync(path.join(here, product || "", "package.json"))) stop(`"${product}" is not a product`);
if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version || "")) stop(`"${version}" is not a version`);
if (programs.length === 0) stop("no program given");

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

const launcher = read(path.join(here, product, "package.json"));
launcher.version = version;

for (const pair of programs) {
  const at = pair.indexOf("=");
  const [name, program] = [pair.slice(0, at), pair.slice(at + 1)];
  const platform = PLATFORMS[name];
  if (!platform) stop(`unknown platform "${name}"; use ${Object.keys(PLATFORMS).join(", ")}`);
  const bytes = fs.readFileSync(program);
  if (bytes.length < 64 || !MAGIC[name](bytes)) stop(`${program} is not a program for ${name}`);

  const folder = path.join(scratch, name);
  const file = `bin/${product}${platform.suffix || ""}`;
  fs.mkdirSync(path.join(folder, "bin"), { recursive: true });
  const readme = fs.readFileSync(path.join(here, "platform/README.md"), "utf8");
  fs.writeFileSync(path.join(folder, "README.md"), readme.replaceAll("PRODUCT", product));
  fs.writeFileSync(path.join(folder, file), bytes, { mode: 0o755 });
  const manifest = read(path.join(here, "platform/package.json"));
  Object.assign(manifest, {
    name: `${product}-${name}`,
    version,
    description: `The ${product} program for ${name}.`,
    os: [platform.os],
    cpu: [platform.cpu],
    ...(platform.libc ? { libc: [platform.libc] } : {}),
  });
  pack(folder, manifest);

  launcher.optionalDependencies[manifest.name] = version;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  launcher.binaries[name] = { package: manifest.name, file, sha256 };
}

const folder = path.join(scratch, product);
fs.cpSync(path.join(here, product), folder, { recursive: true });
fs.mkdirSync(path.join(folder, "bin"), { recursive: true });
fs.copyFileSync(path.join(here, "launcher.js"), path.join(folder, `bin/${product}.js`));
fs.chmodSync(path.join(folder, `bin/${product}.js`), 0o755);
pack(folder, launcher);
