//! SKILL.md: whatever comes in, what is written reads back the same, and mending it again is no change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::manifest::skill_md;

fuzz_target!(|data: &[u8]| {
    let skill = skill_md::read(data, "SKILL.md");
    let _ = (skill.version(), skill.words("tags"));
    let Ok(mended) = skill.mend("some-skill") else { return };
    let text = mended.write();
    let again =
        skill_md::read(text.as_bytes(), "SKILL.md").mend("some-skill").expect("a mended skill is whole");
    assert_eq!(again.write(), text);
    assert_eq!(again.findings, []);
});
