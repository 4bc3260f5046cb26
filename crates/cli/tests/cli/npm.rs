//! The npm packages, built from the program under test and installed from their tarballs, without a network.

use std::{fs, path::PathBuf};

use crate::desk::{Desk, Ran};

/// A folder with the packages installed; `None` if there is no npm.
fn installed(desk: &Desk) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64"))
        || desk.run_anywhere("npm", &["--version"]).is_none()
    {
        eprintln!("npm is not here (or this is not linux-x64): nothing was tested");
        return None;
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let out = desk.file("packages");
    let program = format!("linux-x64={}", env!("CARGO_BIN_EXE_skaas"));
    let script = format!("{root}/scripts/npm-pack.sh");
    let packed = desk.run_anywhere(&script, &["--out", out.to_str().unwrap(), &program]).unwrap().succeeds();
    let packages: Vec<&str> = packed.stdout.lines().collect();
    assert_eq!(packages.len(), 2, "{packed:?}");
    let folder = desk.file("project");
    fs::create_dir_all(&folder).unwrap();
    let at = folder.to_str().unwrap();
    // Scripts stay on, as they are for people: there must be none that could run.
    let args = [&["install", "--offline", "--no-audit", "--no-fund", "--prefix", at], &*packages].concat();
    desk.run_anywhere("npm", &args).unwrap().succeeds();
    Some(folder)
}

fn launch(desk: &Desk, folder: &std::path::Path, args: &[&str]) -> Ran {
    desk.run_anywhere(folder.join("node_modules/.bin/skaas").to_str().unwrap(), args).unwrap()
}

#[test]
fn the_npm_package_is_the_program_and_starts_no_other() {
    let desk = Desk::new();
    let Some(folder) = installed(&desk) else { return };
    let modules = folder.join("node_modules");

    let version = concat!("skaas ", env!("CARGO_PKG_VERSION"), "\n");
    let npx = ["exec", "--offline", "--prefix", folder.to_str().unwrap(), "--", "skaas", "--version"];
    assert_eq!(desk.run_anywhere("npm", &npx).unwrap().succeeds().stdout, version);
    assert_eq!(launch(&desk, &folder, &["--version"]).succeeds().stdout, version);
    launch(&desk, &folder, &["config", "set", "colour", "red"]).ends_with(2);

    for package in ["skaas", "skaas-linux-x64"] {
        let manifest = fs::read_to_string(modules.join(package).join("package.json")).unwrap();
        assert!(!manifest.contains("\"scripts\""), "{manifest}");
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let packed = fs::read(modules.join(package).join(license)).unwrap_or_default();
            let ours = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../").to_owned() + license).unwrap();
            assert!(!ours.is_empty() && packed == ours, "{package} does not carry {license}");
        }
    }

    let program = modules.join("skaas-linux-x64/bin/skaas");
    let mut bytes = fs::read(&program).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&program, bytes).unwrap();
    launch(&desk, &folder, &["--version"]).ends_with(1).says("so it was not started").says("SHA-256");

    fs::remove_dir_all(modules.join("skaas-linux-x64")).unwrap();
    launch(&desk, &folder, &["--version"])
        .ends_with(1)
        .says("--omit=optional")
        .says("npm install skaas-linux-x64@");
}

#[test]
fn a_program_of_another_platform_is_not_packed() {
    let desk = Desk::new();
    if desk.run_anywhere("npm", &["--version"]).is_none() {
        eprintln!("npm is not here: nothing was tested");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/npm-pack.sh");
    desk.write("text", &b"not a program at all. ".repeat(9));
    for pair in [
        format!("darwin-arm64={}", env!("CARGO_BIN_EXE_skaas")),
        format!("linux-x64={}", desk.file("text").display()),
        format!("linux-x64-musl={}", env!("CARGO_BIN_EXE_skaas")),
        format!("plan9-x64={}", env!("CARGO_BIN_EXE_skaas")),
    ] {
        let out = desk.file("packages");
        let ran = desk.run_anywhere(script, &["--out", out.to_str().unwrap(), &pair]).unwrap();
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{ran:?}");
    }
}
