//! The header fields of one message: where they are in its head, in the order in which they were sent.

use smallvec::SmallVec;

/// Fields of a head, kept as positions in a copy of its bytes. The memory serves the next head of the same
/// connection again.
#[derive(Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    slots: SmallVec<[Slot; 24]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
}

impl Fields {
    /// Begins anew with the bytes of a head.
    pub(super) fn start(&mut self, head: &[u8]) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_CAPACITY && head.len() <= KEPT_CAPACITY {
            self.bytes = Vec::new();
        }
        self.bytes.extend_from_slice(head);
        self.slots.clear();
    }

    /// Adds a field, given where its name and value stand. Names are kept in lower case.
    pub(super) fn add(&mut self, name: (usize, usize), value: (usize, usize)) {
        if let Some(name) = self.bytes.get_mut(name.0..name.0 + name.1) {
            name.make_ascii_lowercase();
        }
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            name: small(name.0),
            name_len: small(name.1),
            value: small(value.0),
            value_len: small(value.1),
        });
    }

    /// Bytes of the head.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn slice(&self, start: u32, len: u32) -> &[u8] {
        self.bytes.get(start as usize..start as usize + len as usize).unwrap_or_default()
    }

    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.slots.iter().map(|slot| {
            // The parser lets tokens pass and nothing else; they are ASCII.
            let name = std::str::from_utf8(self.slice(slot.name, slot.name_len)).unwrap_or_default();
            (name, self.slice(slot.value, slot.value_len))
        })
    }

    /// First value of a field; `name` in lower case.
    pub fn get<'f>(&'f self, name: &str) -> Option<&'f [u8]> {
        self.all(name).next()
    }

    /// All values of a field; `name` in lower case.
    pub fn all<'f, 'n>(&'f self, name: &'n str) -> impl Iterator<Item = &'f [u8]> + use<'f, 'n> {
        let named = move |slot: &&Slot| {
            slot.name_len as usize == name.len() && self.slice(slot.name, slot.name_len) == name.as_bytes()
        };
        self.slots.iter().filter(named).map(|slot| self.slice(slot.value, slot.value_len))
    }
}

/// A larger copy is given back before the next head.
const KEPT_CAPACITY: usize = 4 * 1024;
