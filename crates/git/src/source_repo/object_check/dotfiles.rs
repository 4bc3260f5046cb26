//! The rules of the two files that git reads for itself when a clone checks out.

use super::Fault;

/// git gives up on larger ones.
const LARGEST_GITMODULES: usize = 1 << 20;
/// `git fsck` refuses larger ones (CVE-2022-23521).
const LARGEST_GITATTRIBUTES: usize = 100 << 20;
/// And longer lines.
const LONGEST_ATTRIBUTE_LINE: usize = 2_048;

/// Refuses attribute files that overran git's parser once.
pub(crate) fn check_gitattributes(data: &[u8]) -> Result<(), Fault> {
    if data.len() > LARGEST_GITATTRIBUTES {
        return Err(Fault::Object(".gitattributes is too large"));
    }
    if data.split(|byte| *byte == b'\n').any(|line| line.len() >= LONGEST_ATTRIBUTE_LINE) {
        return Err(Fault::Object(".gitattributes has a line that is too long"));
    }
    Ok(())
}

/// Refuses submodule settings that made git run commands or write outside the checkout
/// (CVE-2018-11235, CVE-2018-17456, CVE-2019-19604, CVE-2020-11008, CVE-2025-48384).
///
/// Every section and setting is judged, whatever it belongs to, and what git would give up on is
/// passed over to the next line: more is refused than git acts on, never less.
pub(crate) fn check_gitmodules(data: &[u8]) -> Result<(), Fault> {
    if data.len() > LARGEST_GITMODULES {
        return Err(Fault::Object(".gitmodules is too large"));
    }
    let mut text = ConfigText::new(data);
    while let Some(statement) = text.next() {
        match statement {
            Statement::Section(Some(name)) if !safe_submodule_name(&name) => {
                return Err(Fault::Object(".gitmodules has an unsafe submodule name"));
            }
            Statement::Section(_) => {}
            Statement::Setting(key, value) => check_setting(&key, &value)?,
        }
    }
    Ok(())
}

/// No empty name and no `..` between slashes of either kind: it becomes a folder of `.git`.
fn safe_submodule_name(name: &[u8]) -> bool {
    !name.is_empty() && name.split(|byte| matches!(byte, b'/' | b'\\')).all(|part| part != b"..")
}

fn check_setting(key: &[u8], value: &[u8]) -> Result<(), Fault> {
    match key {
        b"url" if !safe_url(value) => Err(Fault::Object(".gitmodules has an unsafe url")),
        b"path" if value.starts_with(b"-") || value.ends_with(b"\r") => {
            Err(Fault::Object(".gitmodules has an unsafe path"))
        }
        b"update" if value.starts_with(b"!") => Err(Fault::Object(".gitmodules has an update command")),
        _ => Ok(()),
    }
}

/// What a configuration file says, one statement after the other.
enum Statement {
    /// `[section "name"]` or `[section.name]`; the name alone.
    Section(Option<Vec<u8>>),
    /// A key in lower case and its value, unquoted.
    Setting(Vec<u8>, Vec<u8>),
}

/// The grammar of git-config(1).
struct ConfigText {
    bytes: Vec<u8>,
    at: usize,
}

impl ConfigText {
    fn new(data: &[u8]) -> Self {
        let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
        let mut bytes = Vec::with_capacity(data.len());
        for (at, byte) in data.iter().enumerate() {
            if *byte != b'\r' || data.get(at + 1) != Some(&b'\n') {
                bytes.push(*byte);
            }
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn next(&mut self) -> Option<Statement> {
        loop {
            match self.take()? {
                byte if byte.is_ascii_whitespace() || byte == 0x0b => {}
                b'#' | b';' => self.skip_line(),
                b'[' => return Some(self.section()),
                byte if byte.is_ascii_alphabetic() => {
                    self.at -= 1;
                    if let Some(setting) = self.setting() {
                        return Some(setting);
                    }
                    self.skip_line();
                }
                _ => self.skip_line(),
            }
        }
    }

    /// To the end of the line, its line feed left.
    fn skip_line(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| *byte != b'\n') {
            self.at += 1;
        }
    }

    /// The rest of a section's brackets. Unfinished ones end with their line.
    fn section(&mut self) -> Statement {
        let (mut plain, mut name, mut quoted) = (Vec::new(), None, false);
        while let Some(byte) = self.take() {
            match byte {
                b'\n' => break,
                b']' if !quoted => break,
                b'"' => {
                    quoted = !quoted;
                    name.get_or_insert_with(Vec::new);
                }
                b'\\' if quoted => name.get_or_insert_with(Vec::new).extend(self.take()),
                byte if quoted => name.get_or_insert_with(Vec::new).push(byte),
                byte => plain.push(byte),
            }
        }
        let dotted = || {
            let dot = plain.iter().position(|byte| *byte == b'.')?;
            Some(plain[dot + 1..].to_vec())
        };
        Statement::Section(name.or_else(dotted))
    }

    /// `key = value`, or a key alone. `None` when it is neither.
    fn setting(&mut self) -> Option<Statement> {
        let mut key = Vec::new();
        while let Some(byte) =
            self.bytes.get(self.at).filter(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
        {
            key.push(byte.to_ascii_lowercase());
            self.at += 1;
        }
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        match self.take() {
            Some(b'=') => Some(Statement::Setting(key, self.value())),
            Some(b'\n') | None => Some(Statement::Setting(key, Vec::new())),
            Some(_) => None,
        }
    }

    /// A value to the end of its line, which a backslash carries on to the next one. White space
    /// around it goes, inside quotes it stays.
    fn value(&mut self) -> Vec<u8> {
        let (mut value, mut kept, mut quoted) = (Vec::new(), 0, false);
        while let Some(byte) = self.take() {
            match byte {
                b'\n' => break,
                b'#' | b';' if !quoted => {
                    self.skip_line();
                    continue;
                }
                b'"' => {
                    quoted = !quoted;
                    kept = value.len();
                    continue;
                }
                b'\\' => match self.take() {
                    Some(b'\n') => continue,
                    Some(b'n') => value.push(b'\n'),
                    Some(b't') => value.push(b'\t'),
                    Some(b'b') => value.push(8),
                    other => value.extend(other),
                },
                byte if !quoted && byte.is_ascii_whitespace() => {
                    if !value.is_empty() {
                        value.push(byte);
                    }
                    continue;
                }
                byte => value.push(byte),
            }
            kept = value.len();
        }
        value.truncate(kept);
        value
    }
}

fn safe_url(url: &[u8]) -> bool {
    if url.starts_with(b"-") {
        return false;
    }
    if let Some(rest) = ["http", "https", "ftp", "ftps"].iter().find_map(|scheme| after_scheme(url, scheme)) {
        return safe_web_url(rest);
    }
    let decoded = percent_decoded(url);
    // A word and two colons name a remote helper, some of which run commands.
    let helper = url
        .windows(2)
        .position(|pair| pair == b"::")
        .is_some_and(|at| url[..at].iter().all(u8::is_ascii_alphanumeric));
    let line_end = decoded.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    !helper && !line_end && !climbs_over_host(url)
}

fn after_scheme<'a>(url: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (head, rest) = url.split_at_checked(scheme.len())?;
    if !head.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    rest.strip_prefix(b":")
}

/// `../../:x`: more steps up than there are folders leave the host's place open.
fn climbs_over_host(url: &[u8]) -> bool {
    let (mut rest, mut ups) = (url, 0);
    loop {
        match rest {
            [b'.', b'.', b'/' | b'\\', after @ ..] => {
                ups += 1;
                rest = after;
            }
            [b'.', b'/' | b'\\', after @ ..] => rest = after,
            _ => return ups > 0 && matches!(rest.first(), Some(b':' | b'/' | b'\\')),
        }
    }
}

/// What follows `https:`: two slashes, perhaps a user, a host of ordinary characters, perhaps a
/// port, and a path in which every escape is one and none means a line end or a step up.
fn safe_web_url(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"//") else {
        return false;
    };
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or(authority);
    let (name, port) = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host.ends_with(b"]") => (&host[..colon], &host[colon + 1..]),
        _ => (host, &b""[..]),
    };
    let ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(byte);
    let port_number = std::str::from_utf8(port).ok().and_then(|port| port.parse::<u16>().ok());
    let decoded = percent_decoded(rest);
    !name.is_empty()
        && !name.starts_with(b":")
        && name.iter().all(ordinary)
        && (port.is_empty()
            || (port.iter().all(u8::is_ascii_digit) && port_number.is_some_and(|port| port > 0)))
        && escapes_are_whole(rest)
        && !decoded.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        && !percent_decoded(path).split(|byte| *byte == b'/').any(|part| part == b"..")
}

fn escapes_are_whole(url: &[u8]) -> bool {
    url.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| url.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn percent_decoded(url: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(url.len());
    let mut at = 0;
    while at < url.len() {
        let pair = (url[at] == b'%').then(|| digit(url.get(at + 1)).zip(digit(url.get(at + 2))));
        if let Some(Some((high, low))) = pair {
            out.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
            at += 3;
        } else {
            out.push(url[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_urls_pass() {
        for url in [
            "https://github.com/a/b.git",
            "http://user@host.example:8080/a%20b",
            "git@github.com:a/b.git",
            "ssh://git@host/a",
            "git://host/a",
            "../b.git",
            "./b",
            "../../a/b",
            "https://[::1]:80/x",
            "file:///a",
            "HTTPS://Host/x",
        ] {
            let text = format!("[submodule \"x\"]\n\turl = {url}\n");
            assert_eq!(check_gitmodules(text.as_bytes()), Ok(()), "{url}");
        }
    }

    #[test]
    fn ordinary_submodules_pass() {
        let text = b"# comment\n[submodule \"lib/x\"]\n\tpath = lib/x\n\turl = https://example.com/x.git\n\
            [submodule \"y\"] path = y\n\turl = ../y.git\n\tupdate = rebase\n";
        assert_eq!(check_gitmodules(text), Ok(()));
    }

    #[test]
    fn settings_that_ran_commands_are_refused() {
        for text in [
            "[submodule \"../../evil\"]\n",
            "[submodule \"a/../../b\"]\n",
            "[submodule \"a\\\\..\\\\b\"]\n",
            "[submodule \"\"]\n",
            "[submodule \"x\"]\n url = --upload-pack=evil\n",
            "[submodule \"x\"]\n url = \"-u./evil\"\n",
            "[submodule \"x\"] url = -evil\n",
            "[submodule \"x\"]\n url = https://example.com/%0ahost=evil\n",
            "[submodule \"x\"]\n url = https:///x\n",
            "[submodule \"x\"]\n url = ext::sh -c evil\n",
            "[submodule \"x\"]\n path = -evil\n",
            "[submodule \"x\"]\n path = \"evil\r\"\n",
            "[submodule \"x\"]\n update = !evil\n",
            "[submodule \"x\"]\n UPDATE=!evil\n",
            "[submodule...]\n",
            "[a][submodule \"..\"]\n",
            "\u{feff}[submodule \"..\"]\n",
            "# comment \\\n[submodule \"..\"]\n",
            "# comment \\\n url = \\\n-evil\n",
            "[submodule \"x\"]\n url = ../../:x\n",
            "[submodule \"x\"]\n url = https::x\n",
            "[submodule \"x\"]\n url = https://h/%zz\n",
            "[submodule \"x\"]\n url = https://h/../../x\n",
        ] {
            assert!(check_gitmodules(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn attribute_bombs_are_refused() {
        assert_eq!(check_gitattributes(b"* text=auto\n*.png binary\n"), Ok(()));
        assert!(check_gitattributes(&[b'x'; 2_048]).is_err());
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = check_gitmodules(&data);
            let _ = check_gitattributes(&data);
        }
    }
}
