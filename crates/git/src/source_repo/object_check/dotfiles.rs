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
/// (CVE-2018-11235, CVE-2018-17456, CVE-2019-19604, CVE-2025-48384).
///
/// The file is read more liberally than git does: whatever looks like one of the three settings
/// is judged, wherever it stands.
pub(crate) fn check_gitmodules(data: &[u8]) -> Result<(), Fault> {
    if data.len() > LARGEST_GITMODULES {
        return Err(Fault::Object(".gitmodules is too large"));
    }
    // git joins lines at a backslash before their end, with either kind of line end.
    let joined = join_continued(data);
    for line in joined.split(|byte| *byte == b'\n') {
        let mut line = line.trim_ascii();
        if let Some(rest) = line.strip_prefix(b"[") {
            let (name, rest) = section_name(rest);
            if name.is_some_and(|name| !safe_submodule_name(&name)) {
                return Err(Fault::Object(".gitmodules has an unsafe submodule name"));
            }
            line = rest.trim_ascii();
        }
        check_setting(line)?;
    }
    Ok(())
}

fn join_continued(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, after)) = rest.split_first() {
        let after_end = after.strip_prefix(b"\r").unwrap_or(after).strip_prefix(b"\n");
        if let (b'\\', Some(next)) = (first, after_end) {
            rest = next;
            continue;
        }
        out.push(*first);
        rest = after;
    }
    out
}

/// The name in `submodule "name"] …`, and what follows the bracket.
fn section_name(line: &[u8]) -> (Option<Vec<u8>>, &[u8]) {
    let mut name: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'"' => {
                quoted = !quoted;
                name.get_or_insert_default();
            }
            b']' if !quoted => return (name, &line[at + 1..]),
            byte if quoted => {
                // A backslash takes the next byte as it is.
                let escaped = (byte == b'\\').then(|| line.get(at + 1)).flatten();
                at += usize::from(escaped.is_some());
                name.get_or_insert_default().push(*escaped.unwrap_or(&byte));
            }
            _ => {}
        }
        at += 1;
    }
    (name, &[])
}

/// No empty name and no `..` between slashes of either kind: it becomes a folder of `.git`.
fn safe_submodule_name(name: &[u8]) -> bool {
    !name.is_empty() && name.split(|byte| matches!(byte, b'/' | b'\\')).all(|part| part != b"..")
}

fn check_setting(line: &[u8]) -> Result<(), Fault> {
    let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
        return Ok(());
    };
    let key = line[..equals].trim_ascii().to_ascii_lowercase();
    let value = unquote(line[equals + 1..].trim_ascii());
    match key.as_slice() {
        b"url" if !safe_url(&value) => Err(Fault::Object(".gitmodules has an unsafe url")),
        b"path" if value.starts_with(b"-") || value.ends_with(b"\r") => {
            Err(Fault::Object(".gitmodules has an unsafe path"))
        }
        b"update" if value.starts_with(b"!") => Err(Fault::Object(".gitmodules has an update command")),
        _ => Ok(()),
    }
}

/// Quotes and backslashes undone.
fn unquote(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {}
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(b't') => out.push(b'\t'),
                Some(other) => out.push(*other),
                None => {}
            },
            other => out.push(*other),
        }
    }
    out
}

fn safe_url(url: &[u8]) -> bool {
    let decoded = percent_decoded(url);
    let option = url.starts_with(b"-") || decoded.starts_with(b"-");
    let line_end = decoded.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
    !option && !line_end && !url.starts_with(b"ext::") && !has_empty_host(url)
}

/// `https:///x` and `https://:80/x` lead credential helpers astray (CVE-2020-11008).
fn has_empty_host(url: &[u8]) -> bool {
    let lower = url.to_ascii_lowercase();
    let rest =
        [&b"http:"[..], b"https:", b"ftp:", b"ftps:"].iter().find_map(|scheme| lower.strip_prefix(*scheme));
    rest.is_some_and(|rest| {
        let host = rest.strip_prefix(b"//").unwrap_or(b"");
        matches!(host.first(), None | Some(b'/' | b':'))
    })
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
            "[submodule \"x\"]\n u\\\nrl = -evil\n",
            "[submodule \"x\"]\n url = https://example.com/%0ahost=evil\n",
            "[submodule \"x\"]\n url = https:///x\n",
            "[submodule \"x\"]\n url = ext::sh -c evil\n",
            "[submodule \"x\"]\n path = -evil\n",
            "[submodule \"x\"]\n path = \"evil\r\"\n",
            "[submodule \"x\"]\n update = !evil\n",
            "[submodule \"x\"]\n UPDATE=!evil\n",
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
