//! The commands of a push: whatever comes, they are read within bounds or refused, and judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skaas_git::receive_pack::{ParseLimits, RefRules, Report, SidebandWriter, judge, parse_commands};

fuzz_target!(|data: &[u8]| {
    let mut reader = data;
    let Ok(request) = parse_commands(&mut reader, &ParseLimits::default()) else { return };
    assert!(request.commands.len() <= 1_000);
    let rules = RefRules { refs: &[], default_branch: Some("refs/heads/main") };
    let verdicts = judge(&request.commands, rules);
    assert_eq!(verdicts.len(), request.commands.len());
    let report = Report::new(&request.commands, verdicts);
    SidebandWriter::new(&request.capabilities).report(&report);
});
