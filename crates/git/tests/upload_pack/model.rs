//! Random lives of a repository and of copies of it, first with a client of a few lines, in great
//! number, then with git.

use std::collections::HashSet;

use gix_hash::ObjectId;
use proptest::prelude::*;
use skaas_git::pkt_line::{Packet, Reader};
use skaas_git::sideband::SideBand;
use skaas_git::upload_pack::{Deepen, FetchRequest, Version};

use crate::client::Client;
use crate::server::{Server, fetch};
use crate::world::World;

const STATES: [&str; 4] = ["stub", "r1", "r2", "r3"];

/// One moment: what is served, and which states may be served besides.
#[derive(Debug, Clone)]
struct Moment {
    state: usize,
    besides: Vec<bool>,
    acts: Vec<Act>,
}

/// What copies do at a moment.
#[derive(Debug, Clone)]
enum Act {
    /// `clone`, or `init` and `fetch`, which on the wire is the same; only git minds the difference.
    New {
        v2: bool,
        deepen: Option<u32>,
        clone: bool,
    },
    Fetch {
        copy: usize,
        deepen: Option<u32>,
    },
}

impl Moment {
    fn show(&self, world: &mut World) {
        let permitted = (0..STATES.len()).filter(|index| *index == self.state || self.besides[*index]);
        let permitted: Vec<_> = permitted.map(|index| STATES[index]).collect();
        world.show(STATES[self.state], &permitted);
    }
}

fn moments(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Moment>> {
    let deepen =
        || prop_oneof![3 => Just(None), 1 => (1_u32..5).prop_map(Some), 1 => Just(Some(u32::MAX >> 1))];
    let act = prop_oneof![
        1 => (any::<bool>(), deepen(), any::<bool>())
            .prop_map(|(v2, deepen, clone)| Act::New { v2, deepen, clone }),
        3 => (0_usize..8, deepen()).prop_map(|(copy, deepen)| Act::Fetch { copy, deepen }),
    ];
    let besides = proptest::collection::vec(proptest::bool::weighted(0.7), STATES.len());
    let moment = (0..STATES.len(), besides, proptest::collection::vec(act, 1..4))
        .prop_map(|(state, besides, acts)| Moment { state, besides, acts });
    proptest::collection::vec(moment, count)
}

/// Whether all steps after the `from`th are permitted.
fn open_after(world: &World, from: usize) -> bool {
    world.step_states()[from..].iter().all(|state| world.permits(state))
}

/// Refused iff the way is barred: the one rule, told without the code under test.
fn expect_refusal(world: &World, step: Option<usize>, deepens: bool) -> bool {
    match step {
        _ if deepens => false,
        Some(step) => !open_after(world, step + 1),
        None => false,
    }
}

/// A client that does what the protocol says and nothing else.
struct Copy {
    v2: bool,
    tip: Option<ObjectId>,
    held: HashSet<ObjectId>,
    shallow: HashSet<ObjectId>,
}

impl Copy {
    fn new(v2: bool) -> Self {
        Self { v2, tip: None, held: HashSet::new(), shallow: HashSet::new() }
    }

    /// The commits its tip reaches.
    fn reached(&self, world: &World) -> Vec<ObjectId> {
        let (mut reached, mut pending) = (Vec::new(), Vec::from_iter(self.tip));
        while let Some(id) = pending.pop() {
            if !reached.contains(&id) {
                reached.push(id);
                if !self.shallow.contains(&id) {
                    pending.extend(world.parents(&id));
                }
            }
        }
        reached
    }

    /// Fetches the tip; whether it was let.
    fn fetch(&mut self, world: &mut World, deepen: Option<u32>) -> bool {
        let tip = world.tip();
        let before = self.reached(world);
        let mut request = FetchRequest {
            version: if self.v2 { Version::V2 } else { Version::V0 },
            wants: vec![tip],
            shallow: self.shallow.iter().copied().collect(),
            deepen: deepen.map(|depth| Deepen::Depth { depth, relative: false }),
            thin_pack: true,
            side_band: SideBand::None,
            agent: Some("git/2.47.3".to_owned()),
            ..FetchRequest::default()
        };
        let told = (!self.v2 && deepen.is_some()).then(|| boundary(&fetch(world, &request)).unwrap());
        request.haves.clone_from(&before);
        request.negotiating = true;
        request.done = true;
        let (bases, packs) = (world.bases.len(), world.sent.len());
        let Some(shallow) = boundary(&fetch(world, &request)) else { return false };
        assert!(told.is_none_or(|told| told == shallow), "the boundary changed between two answers");
        assert_eq!(world.sent.len(), packs + 1);
        assert!(world.bases[bases..].iter().all(|base| self.held.contains(base)), "a base that is not there");
        // A new copy is whole where it may be, whoever asks for it.
        if before.is_empty() && deepen.is_none() {
            let steps = world.steps();
            let all = steps.iter().all(|step| world.sent[packs].contains(step));
            assert_eq!(all, world.whole() || steps.len() == 1);
        }
        self.held.extend(&world.sent[packs]);
        if !self.v2 && before.is_empty() {
            self.shallow.extend(world.boundary(&world.refs()));
        }
        self.shallow.extend(shallow);
        self.tip = Some(tip);
        let after = self.reached(world);
        self.shallow.retain(|id| after.contains(id));
        for commit in &after {
            assert!(self.held.contains(commit), "commit {commit} is missing");
            assert!(world.objects_of(commit).all(|id| self.held.contains(&id)), "{commit} is not whole");
        }
        if deepen.is_none() {
            assert!(before.first().is_none_or(|old| after.contains(old)), "no fast-forward");
        }
        true
    }
}

/// The boundary that an answer tells; `None` when it is a refusal.
fn boundary(answer: &[u8]) -> Option<Vec<ObjectId>> {
    let mut reader = Reader::new(answer);
    let mut shallow = Vec::new();
    while !reader.rest().starts_with(b"PACK") {
        match reader.next().unwrap() {
            None => break,
            Some(Packet::Data(line)) if line.starts_with(b"ERR ") => return None,
            Some(Packet::Data(line)) => {
                if let Some(id) = line.strip_suffix(b"\n").unwrap_or(line).strip_prefix(b"shallow ") {
                    shallow.push(ObjectId::from_hex(id).unwrap());
                }
            }
            Some(_) => {}
        }
    }
    Some(shallow)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_copy_is_whole_or_told_to_start_again(with_roots: bool, moments in moments(2..9)) {
        let mut world = World::new(with_roots, "stub");
        let mut copies: Vec<(Copy, usize)> = Vec::new();
        for moment in moments {
            moment.show(&mut world);
            let now = world.steps().len() - 1;
            for act in moment.acts {
                let (mut new, index, deepen);
                let (copy, step) = match act {
                    Act::New { v2, deepen: depth, .. } => {
                        new = (Copy::new(v2), usize::MAX);
                        deepen = depth;
                        index = None;
                        (&mut new.0, None)
                    }
                    Act::Fetch { copy, deepen: depth } if !copies.is_empty() => {
                        let at = copy % copies.len();
                        deepen = depth;
                        index = Some(at);
                        new = (Copy::new(true), usize::MAX);
                        let (copy, step) = &mut copies[at];
                        (copy, Some(*step))
                    }
                    Act::Fetch { .. } => continue,
                };
                let refused = expect_refusal(&world, step, deepen.is_some());
                let let_through = copy.fetch(&mut world, deepen);
                prop_assert_eq!(let_through, !refused);
                match index {
                    Some(at) if let_through => copies[at].1 = now,
                    None if let_through => {
                        new.1 = now;
                        copies.push(new);
                    }
                    _ => {}
                }
            }
            prop_assert!(world.leaks.is_empty(), "{:?}", world.leaks);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(4) })]

    #[test]
    fn git_agrees_with_the_model(with_roots: bool, moments in moments(4..8)) {
        let server = Server::start(World::new(with_roots, "stub"));
        let mut copies: Vec<(Client, usize)> = Vec::new();
        for moment in moments {
            moment.show(&mut server.world());
            let (now, state) = (server.world().steps().len() - 1, STATES[moment.state]);
            for act in moment.acts {
                match act {
                    Act::New { v2, deepen, clone } => {
                        let depth = deepen.map(|depth| format!("--depth={depth}"));
                        let args: Vec<_> = depth.as_deref().into_iter().collect();
                        let (protocol, alone) = (if v2 { 2 } else { 0 }, now == 0);
                        let refused = !clone && deepen.is_none() && !alone && !server.world().whole();
                        let new = if clone {
                            Client::clone(&server, protocol, &args)
                        } else {
                            Client::fetched(&server, protocol, &[&["fetch", "-q", "origin"], &args[..]].concat())
                        };
                        prop_assert_eq!(new.is_err(), refused, "{:?}", new.err());
                        match new {
                            Ok(client) => {
                                if !clone {
                                    client.git(&["checkout", "-q", "-B", "main", "--track", "origin/main"]).unwrap();
                                }
                                client.sees(state);
                                copies.push((client, now));
                            }
                            Err(refused) => assert!(refused.0.contains("git fetch --depth=1"), "{refused:?}"),
                        }
                    }
                    Act::Fetch { copy, deepen } if !copies.is_empty() => {
                        let at = copy % copies.len();
                        let (client, step) = &mut copies[at];
                        // A deepened fetch may leave the old tip behind a boundary: that is git's own rule.
                        let pulled = match deepen {
                            None => client.pull(&[]),
                            Some(depth) => client
                                .git(&["fetch", "-q", &format!("--depth={depth}")])
                                .and_then(|_| client.git(&["reset", "-q", "--hard", "@{upstream}"]).map(drop)),
                        };
                        let refused = expect_refusal(&server.world(), Some(*step), deepen.is_some());
                        prop_assert_eq!(pulled.is_err(), refused, "{:?}", pulled);
                        match pulled {
                            Ok(()) => {
                                client.sees(state);
                                *step = now;
                            }
                            Err(error) => error.says("clone this repository again"),
                        }
                    }
                    Act::Fetch { .. } => {}
                }
            }
        }
    }
}
