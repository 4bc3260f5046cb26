//! Sources as people really keep them: large, messy, half broken. One push each.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod story;

use std::fs;
use std::path::Path;

use story::House;

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Starts a working folder of Ann's and gives what her push said.
fn pushed(house: &House, source: &str, fill: impl Fn(&Path)) -> String {
    let folder = house.ann.folder.join(source);
    fs::create_dir_all(&folder).unwrap();
    house.ann.git.ok(&folder, &["init", "-q", "-b", "main"]);
    fill(&folder);
    house.ann.git.commit(&folder, "Everything");
    house.ann.push(&house.server, source)
}

#[test]
fn a_large_messy_collection_is_one_push_and_every_skill_becomes_a_draft() {
    let house = House::with(&[]);
    let said = pushed(&house, "collection", |folder| {
        for number in 0..150 {
            let name = format!("skill-{number:03}");
            let manifest = match number % 6 {
                0 => format!(
                    "---\nname: {name}\ndescription: Use when: a colon, number {number}\n---\n\nText\n"
                ),
                1 => format!(
                    "---\r\nname: \"{name}\"\r\ndescription: \"Windows {number}\"\r\n---\r\n\r\nText\r\n"
                ),
                2 => format!(
                    "---\nname: AWS Skill {number}\ndescription: Capitals\nuser-invocable: true\n---\n\nText\n"
                ),
                3 => {
                    format!("# Skill {number}\n\nNo frontmatter, but a paragraph that says what it is for.\n")
                }
                4 => format!("---\nname: {name}\ndescription: {}\n---\n\nText\n", "Very long. ".repeat(200)),
                _ => format!(
                    "---\nname: {name}\ndescription: Plain\nmetadata:\n  version: \"1.{number}.0\"\n---\n\nText\n"
                ),
            };
            write(folder, &format!("skills/{name}/SKILL.md"), &manifest);
            write(
                folder,
                &format!("skills/{name}/references/notes.md"),
                &format!("Notes of {number}\n").repeat(200),
            );
        }
        write(folder, "node_modules/other/SKILL.md", "---\nname: other\ndescription: Not ours\n---\n");
    });
    assert!(said.contains("remote: "), "{said}");
    let listings = house.admin(&["listing", "show"]);
    let listings = listings.as_array().unwrap();
    assert_eq!(listings.len(), 150);
    assert!(listings.iter().all(|listing| listing["state"] == "draft"), "{listings:?}");
}

#[test]
fn one_broken_skill_keeps_none_of_its_neighbours_back() {
    let house = House::with(&[]);
    let said = pushed(&house, "mixed", |folder| {
        write(folder, "skills/good/SKILL.md", "---\nname: good\ndescription: Works\n---\n\nText\n");
        write(folder, "skills/bad/SKILL.md", "---\nname: bad\ndescription: Unsafe\n---\n\nText\n");
        write(folder, "skills/bad/aux.md", "A device on Windows.\n");
        write(folder, "plugins/broken/.claude-plugin/plugin.json", "{ \"name\": ");
    });
    assert!(said.contains("skills/bad/aux.md") && said.contains("path-device"), "{said}");
    assert!(said.contains("plugins/broken/.claude-plugin/plugin.json"), "{said}");
    house.publish("good");
    let bob = house.person("bob");
    house.admin(&["grant", "add", "bob", "good", "--kind", "gift"]);
    let folder = bob.clone(&bob.git, &house.server, "good", "good", &[]);
    assert!(fs::read_to_string(folder.join("skills/good/SKILL.md")).unwrap().contains("Text"));
}

#[test]
fn the_same_push_again_changes_nothing() {
    let house = House::new();
    let before = house.admin(&["listing", "show"]);
    let bob = house.person("bob");
    let head =
        || bob.git.ok(&bob.folder, &["ls-remote", &house.server.at(&story::own(story::SKILL)), "HEAD"]);
    let tip = head();
    house.ann.push(&house.server, story::SKILL);
    house.ann.git.commit(&house.ann.folder.join(story::SKILL), "Nothing new");
    house.ann.push(&house.server, story::SKILL);
    assert_eq!(house.admin(&["listing", "show"]), before);
    assert_eq!(head(), tip);
}
