//! The authorization server before programs that others wrote, unmodified: the conformance suite of MCP, and
//! its inspector. A person's browser answers what they ask.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use skaas_testkit::process::{Installation, Server};
use skaas_testkit::wire::Connection;
use tempfile::TempDir;
use url::Url;

use crate::browser::{Browser, answers};
use crate::clients::register;

/// The program that a variable names; `None`, with a line that says what was not tested.
fn program(variable: &str) -> Option<(PathBuf, PathBuf)> {
    let file = |name| std::env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_file());
    if let (Some(node), Some(program)) = (file("SKAAS_TEST_MCP_NODE"), file(variable)) {
        return Some((node, program));
    }
    let missing = format!("{variable} is not there: run eval \"$(scripts/test-mcp-clients.sh)\" first");
    assert!(std::env::var_os("SKAAS_TEST_ALL").is_none(), "{missing}");
    eprintln!("{missing}");
    None
}

/// A program under way, in a HOME of its own; two minutes are its end.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    heard: String,
    _home: TempDir,
}

impl Running {
    fn start((node, program): &(PathBuf, PathBuf), arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        // The person's own browser is asked by the address that is printed; this one has no screen.
        let opener = home.path().join("xdg-open");
        fs::write(&opener, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}:/usr/bin:/bin", home.path().display(), node.parent().unwrap().display());
        let mut child = Command::new("timeout")
            .args(["--kill-after=5", "120", "sh", "-c", "exec \"$0\" \"$@\" 2>&1"])
            .arg(node)
            .arg(program)
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", path)
            .env("MCP_AUTO_OPEN_ENABLED", "true")
            .env("MCP_INSPECTOR_SECRET_STORE", "memory")
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, heard: String::new(), _home: home }
    }

    /// Waits for the address that the person is to open.
    fn question(&mut self, server: &Server) -> String {
        let begins = format!("{}/oauth/authorize?", server.url());
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it asked nothing: {}", self.heard);
            self.heard.push_str(&line);
            if let Some((_, query)) = line.split_once(&begins) {
                return format!("/oauth/authorize?{}", query.trim());
            }
        }
    }

    /// The person agrees, and their browser goes where it is sent.
    fn is_answered(&mut self, server: &Server, browser: &mut Browser) {
        let question = self.question(server);
        assert_eq!(browser.opens(&question).status, 200);
        let sent = answers(browser, &question, "approve");
        let back = Url::parse(sent.header("location").unwrap()).unwrap();
        let path = &back[url::Position::BeforePath..];
        // It prints its question a moment before it listens for the answer.
        assert_eq!(Connection::open_soon(back.port().unwrap()).get(path).status, 200);
    }

    /// All that it printed, once it has ended well.
    fn ends_well(mut self) -> String {
        self.output.read_to_string(&mut self.heard).unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.heard);
        self.heard
    }
}

fn server() -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let installation = Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.path().join("data"));
    installation.run(&["migrate"]);
    (installation.serve(), folder)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_conformance_suite_of_mcp_finds_nothing_wrong() {
    let Some(suite) = program("SKAAS_TEST_MCP_CONFORMANCE") else { return };
    let (server, _folder) = server();
    let port = free_port();
    let back = format!("http://127.0.0.1:{port}/callback");
    let (_, client) = register(server.port(), &json!({ "redirect_uris": [back] }));
    let (resource, port) = (format!("{}/mcp", server.url()), port.to_string());
    let mut running = Running::start(
        &suite,
        &[
            "authorization",
            "--url",
            &server.url(),
            "--client-id",
            client["client_id"].as_str().unwrap(),
            "--resource",
            &resource,
            "--port",
            &port,
        ],
    );
    running.is_answered(&server, &mut Browser::signed_up(server.port(), "ann"));
    let said = running.ends_well();
    assert!(said.contains("Total: 3 passed, 0 failed"), "{said}");
}

#[test]
fn the_inspector_finds_registers_and_signs_in_by_itself() {
    let Some(inspector) = program("SKAAS_TEST_MCP_INSPECTOR") else { return };
    let (server, _folder) = server();
    let mcp = format!("{}/mcp", server.url());
    let back = format!("http://127.0.0.1:{}/oauth/callback", free_port());
    let mut running = Running::start(
        &inspector,
        &[
            "--cli",
            "--server-url",
            &mcp,
            "--transport",
            "http",
            "--callback-url",
            &back,
            "--method",
            "tools/list",
        ],
    );
    running.is_answered(&server, &mut Browser::signed_up(server.port(), "ann"));
    let said = running.ends_well();
    assert!(said.contains("\"tools\": []"), "{said}");
}
