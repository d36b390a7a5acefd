//! Memory for answers that are held until their clients have read them: bounded, whatever the clients ask for and
//! however slowly they read.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All the room there is.
pub(super) struct Rooms(Arc<Semaphore>);

/// What one answer takes of it; free again when dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(Option<OwnedSemaphorePermit>);

impl Rooms {
    /// Room for so many bytes, if there is.
    pub(super) fn take(&self, bytes: u64) -> Option<Room> {
        if bytes <= SMALL {
            return Some(Room::default());
        }
        let kibibytes = u32::try_from(bytes.div_ceil(KIBIBYTE)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(kibibytes).ok().map(|taken| Room(Some(taken)))
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL_KIBIBYTES)))
    }
}

impl Room {
    /// The answer's bytes, which keep the room as long as they live.
    pub(crate) fn around(self, bytes: Bytes) -> Bytes {
        match self.0 {
            None => bytes,
            Some(taken) => Bytes::from_owner(Kept { bytes, _taken: taken }),
        }
    }
}

struct Kept {
    bytes: Bytes,
    _taken: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

const KIBIBYTE: u64 = 1024;
/// Answers up to this size are not counted: there are no more of them than there are clients.
const SMALL: u64 = 16 * KIBIBYTE;
/// An eighth of the least memory that a function has, 128 MB.
const ALL_KIBIBYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let (rooms, mebibyte) = (Rooms::default(), KIBIBYTE * KIBIBYTE);
        let mut held: Vec<_> = std::iter::from_fn(|| rooms.take(mebibyte))
            .map(|room| room.around(Bytes::new()))
            .collect();
        assert_eq!(held.len(), 16);
        assert!(rooms.take(SMALL + 1).is_none());
        assert!(rooms.take(SMALL).is_some(), "small ones are not counted");
        held.pop();
        assert!(rooms.take(mebibyte).is_some(), "one has been read");
        assert!(rooms.take(u64::MAX).is_none());
    }
}
