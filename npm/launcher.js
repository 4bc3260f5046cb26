#!/usr/bin/env node
// Finds the program for this platform, checks that it is the one this package was made for, and becomes it.
// It downloads nothing, has no install step, and depends on nothing.
"use strict";

const { spawn } = require("node:child_process");
const { createHash } = require("node:crypto");
const { existsSync, readFileSync } = require("node:fs");
const path = require("node:path");

const own = require("../package.json");

function fail(what, why, next) {
  process.stderr.write(`error: ${what}\n  why:  ${why}\n  next: ${next}\n`);
  process.exit(1);
}

function musl() {
  if (process.platform !== "linux") return false;
  const report = process.report && process.report.getReport();
  const header = (typeof report === "string" ? JSON.parse(report) : report || {}).header || {};
  return !header.glibcVersionRuntime;
}

function find() {
  const platform = `${process.platform}-${process.arch}${musl() ? "-musl" : ""}`;
  const binary = own.binaries[platform];
  if (!binary) {
    const there = Object.keys(own.binaries).join(", ") || "none";
    fail(
      `this package has no ${own.name} for ${platform}`,
      `it was made for: ${there}`,
      `build it from source: cargo install --path ${own.source}`,
    );
  }
  let manifest;
  try {
    manifest = require.resolve(`${binary.package}/package.json`);
  } catch {
    fail(
      `the package ${binary.package}@${own.version} is not installed`,
      "npm skips it with --omit=optional or --no-optional, and if the lockfile was made on another platform",
      `npm install ${binary.package}@${own.version}`,
    );
  }
  return { file: path.join(path.dirname(manifest), binary.file), binary };
}

function check(file, binary) {
  if (!existsSync(file)) {
    fail(`${file} is missing`, "the installation is incomplete", "remove node_modules and install again");
  }
  const found = createHash("sha256").update(readFileSync(file)).digest("hex");
  if (found !== binary.sha256) {
    fail(
      `${file} is not the program that ${own.name} ${own.version} was made with, so it was not started`,
      `its SHA-256 is ${found}, not ${binary.sha256}`,
      "remove node_modules and the npm cache, and install again",
    );
  }
}

const { file, binary } = find();
check(file, binary);
const args = process.argv.slice(2);

// Newer Node can become the program. Not on Windows.
if (typeof process.execve === "function" && process.platform !== "win32") {
  process.removeAllListeners("warning");
  process.on("warning", () => {});
  process.execve(file, [file, ...args], process.env);
}

const child = spawn(file, args, { stdio: "inherit" });
// The terminal sends Ctrl-C to both processes, and the program decides what to do. Other signals are passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => signal === "SIGINT" || child.kill(signal));
}
child.on("error", (error) => fail(`${file} cannot be started`, error.message, "check that this file system allows programs to run"));
child.on("exit", (code, signal) => {
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  } else {
    process.exit(code);
  }
});
