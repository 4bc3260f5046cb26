//! plugin.json: whatever comes in, a mended manifest is mended once and for all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_domain::manifest::json;
use skaas_domain::manifest::plugin_json::{self, Head};
use skaas_domain::version::Version;

fuzz_target!(|data: &[u8]| {
    let Ok((manifest, _)) = plugin_json::read(data, plugin_json::PATH) else { return };
    let version = Version::first();
    let head = Head { name: "some-skill", version: &version, description: "D", author: "Ann" };
    let once = json::write(&manifest.mend(&head, &mut Vec::new()));
    let (manifest, _) =
        plugin_json::read(once.as_bytes(), plugin_json::PATH).expect("what was written is JSON");
    let mut findings = Vec::new();
    let twice = json::write(&manifest.mend(&head, &mut findings));
    assert_eq!(once, twice);
    assert_eq!(findings, []);
});
