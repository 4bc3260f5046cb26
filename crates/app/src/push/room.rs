//! Owns how much one push may make this node hold before it is written. Refuses to know what is held: a small
//! pack can be made of a thousand tags, or of skills that all link to one large folder.

/// Files and folders that the commits of one push may list, all together: some 150 MB.
const ENTRIES: usize = 1_000_000;

/// What is left of it.
pub(super) struct Room {
    entries: usize,
    bytes: u64,
}

impl Room {
    /// For one push. Its releases come to at most `bytes`, as they are stored.
    pub(super) const fn new(bytes: u64) -> Self {
        Self { entries: ENTRIES, bytes }
    }

    /// Whether a commit of so many entries may be looked at; then they are taken.
    pub(super) fn take_entries(&mut self, count: usize) -> bool {
        let left = self.entries.checked_sub(count);
        self.entries = left.unwrap_or(self.entries);
        left.is_some()
    }

    /// Whether a release of so many bytes may be held; then they are taken.
    pub(super) fn take_bytes(&mut self, count: u64) -> bool {
        let left = self.bytes.checked_sub(count);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_leaves_the_room_to_what_is_smaller() {
        let mut room = Room::new(100);
        assert!(room.take_bytes(60) && !room.take_bytes(41) && room.take_bytes(40) && !room.take_bytes(1));
        assert!(room.take_entries(ENTRIES - 1) && !room.take_entries(2) && room.take_entries(1));
    }
}
