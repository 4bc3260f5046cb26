//! The words that people read, held against a list of words we decided not to use: in templates, emails, the
//! texts that agents load, the command line, and the documents.

use std::fs;
use std::path::Path;

use super::{files, root};

/// What we do not write, and what we write instead. Compared in lower case, as whole words.
const REFUSED: &[(&str, &str)] = &[
    ("make an account", "Create account"),
    ("make the account", "Create account"),
    ("you have an account?", "Already have an account? Sign in"),
    ("look into your mail", "Check your email"),
    ("to the first page", "Back to home"),
    ("go on to", "Continue to"),
    ("to go on", "to continue"),
    ("let it in", "Authorize"),
    ("let in", "authorize"),
    ("ways in", "Sign-in methods"),
    ("vouch", "signed in with"),
    ("vouches", "signed in with"),
    ("connected application", "authorized app"),
    ("connected applications", "authorized apps"),
    ("here since", "Joined"),
    ("e-mail", "email"),
    ("it works for", "Expires in"),
    ("no end", "No expiry date"),
    ("make the token", "Create token"),
    ("make a token", "Create a token"),
    ("asked wrongly", "Invalid authorization request"),
    ("works no more", "is invalid or expired"),
    ("is another's", "is already taken"),
    ("the shelf it stands on", "Category"),
    ("you we hope", "say what happened"),
    ("for ever", "permanently"),
    ("of its own", "separate"),
    ("taken back", "revoked"),
    ("take it back", "revoke it"),
    ("gives back", "releases"),
    ("by itself", "automatically"),
    ("by themselves", "automatically"),
    ("takes nobody back", "say what happens to whom"),
];

/// What we do not write in any case of letters but this one.
const REFUSED_AS_WRITTEN: &[(&str, &str)] = &[
    ("Where it is", "Install"),
    ("Api ", "API "),
    (" api token", " API token"),
    (".00 USD", "$19"),
    ("„", "\""),
    ("“ ", "\" "),
];

/// The text without what only developers read: comments, and a file's own tests.
fn read_by_people(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    if path.extension().is_none_or(|extension| extension != "rs") {
        return text;
    }
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    // A text that goes on in the next line.
    let mut joined = String::new();
    for line in lines {
        let part = line.strip_suffix('\\');
        let text = part.unwrap_or(line);
        joined.push_str(if joined.ends_with(' ') { text.trim_start() } else { text });
        if part.is_none() {
            joined.push('\n');
        }
    }
    joined
}

fn is_word(text: &str, at: usize, len: usize) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !letter(text[..at].chars().next_back()) && !letter(text[at + len..].chars().next())
}

fn refused_in(text: &str) -> Vec<String> {
    let low = text.to_lowercase();
    let mut found = Vec::new();
    for (phrase, instead) in REFUSED {
        if low.match_indices(phrase).any(|(at, _)| is_word(&low, at, phrase.len())) {
            found.push(format!("{phrase:?}: write {instead:?}"));
        }
    }
    for (phrase, instead) in REFUSED_AS_WRITTEN {
        let begins_a_word = |at: usize| {
            !phrase.starts_with(char::is_alphabetic)
                || !text[..at].chars().next_back().is_some_and(char::is_alphanumeric)
        };
        if text.match_indices(phrase).any(|(at, _)| begins_a_word(at)) {
            found.push(format!("{phrase:?}: write {instead:?}"));
        }
    }
    found
}

/// Every file with texts for people.
fn texts() -> Vec<std::path::PathBuf> {
    let root = root();
    let of = |extension: &str, places: &[&str]| {
        let mut found = files(extension);
        found.retain(|file| {
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            places.iter().any(|place| path.starts_with(place))
        });
        found
    };
    let mut all = of("html", &["crates/server/templates/"]);
    all.extend(of(
        "rs",
        &[
            "crates/app/src/accounts/mails.rs",
            "crates/app/src/identities",
            "crates/app/src/oauth/",
            "crates/cli/src/",
            "crates/domain/src/marketplace.rs",
            "crates/domain/src/scope.rs",
            "crates/domain/src/stub.rs",
            "crates/server/src/oauth/",
            "crates/server/src/pages/",
            "crates/server/src/rest/",
        ],
    ));
    all.extend(of("md", &["docs/", "npm/", "CHANGELOG.md", "CONTRIBUTING.md", "README.md"]));
    all.push(root.join("skaas.default.toml"));
    all
}

#[test]
fn people_read_the_words_of_the_glossary() {
    let texts = texts();
    assert!(texts.len() > 50, "{}", texts.len());
    let mut faults = Vec::new();
    for file in texts {
        for fault in refused_in(&read_by_people(&file)) {
            faults.push(format!("{}: {fault}", file.strip_prefix(root()).unwrap().display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_refused_word_is_found_in_any_case_and_only_as_a_whole() {
    assert_eq!(refused_in("Look into your mail").len(), 1);
    assert_eq!(refused_in("Your E-mail address").len(), 1);
    assert_eq!(refused_in("price: 19.00 USD").len(), 1);
    assert_eq!(refused_in("outlet in, forever, the Apis, OpenApi {").len(), 0);
    assert_eq!(refused_in("The Api { }").len(), 1);
    assert_eq!(refused_in("Check your email").len(), 0);
}
