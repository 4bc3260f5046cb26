//! The files by which agents know a skill: SKILL.md, plugin.json, marketplace.json. Owns tolerant
//! reading and exact writing of them; refuses to look at any other file.

pub mod frontmatter;
pub mod json;
pub mod marketplace_json;
pub mod plugin_json;
pub mod skill_md;
pub mod yaml;
