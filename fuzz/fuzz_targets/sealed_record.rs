//! Whatever a database holds as a sealed record: it parses to itself or not at all, and opens for nobody.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rand::{SeedableRng, rngs::StdRng};
use skaas_domain::{
    envelope::{RecordName, Sealed, WrappedKey},
    master_key::{Keyring, MasterKey},
};

fuzz_target!(|stored: (&[u8], &[u8], &str)| {
    let (wrapped_key, body, text) = stored;
    let name = RecordName { kind: "mail", id: text, owner: "" };
    let mut rng = StdRng::seed_from_u64(1);
    let key = MasterKey::generate(&mut rng);
    let keyring = Keyring::new(vec![key.clone()]).expect("one key is not listed twice");
    if let Ok(wrapped) = WrappedKey::parse(wrapped_key) {
        assert_eq!(wrapped.as_bytes(), wrapped_key);
        assert!(wrapped.rewrap(&keyring, &key, &name, &mut rng).is_err());
    }
    if let Ok(sealed) = Sealed::parse(wrapped_key, body.to_vec()) {
        assert_eq!(sealed.body(), body);
        assert!(sealed.open(&keyring, &name).is_err());
    }
    // What an operator writes as keys: read in one way, or refused.
    if let Ok(ring) = Keyring::parse(text) {
        let again: Vec<String> = ring.ids().filter_map(|id| ring.find(id)).map(|key| key.reveal().to_string()).collect();
        let again = Keyring::parse(&again.join(",")).expect("what was revealed is a key");
        assert!(again.ids().eq(ring.ids()));
    }
});
