//! A request, written once and sent many times.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use memchr::memmem;

/// Head and body in one piece, as they go into one write.
pub fn post(target: SocketAddr, path: &str, key: &str, more: &[String], body: &[u8]) -> Vec<u8> {
    let more: String = more.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {target}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nanthropic-version: 2023-06-01\r\n{more}Content-Length: {}\r\n\r\n",
        body.len(),
    );
    [head.as_bytes(), body].concat()
}

/// Bytes with places in them where a number goes: seven digits, wherever [`Numbered::PLACE`] stood.
#[derive(Clone, Debug)]
pub struct Numbered {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Numbered {
    /// What stands for the number.
    pub const PLACE: &[u8] = b"0000000";

    /// With `places` false the bytes stay as they are, whatever is in them.
    pub fn new(bytes: Vec<u8>, places: bool) -> Self {
        let places = if places { memmem::find_iter(&bytes, Self::PLACE).collect() } else { Vec::new() };
        Numbered { bytes, places }
    }

    /// The bytes with this number in each place.
    pub fn with(&mut self, number: u32) -> &[u8] {
        if !self.places.is_empty() {
            let digits = format!("{number:07}");
            for place in &self.places {
                if let Some(hole) = self.bytes.get_mut(*place..place + Self::PLACE.len()) {
                    hole.copy_from_slice(digits.as_bytes());
                }
            }
        }
        &self.bytes
    }
}

/// Numbers below a bound: for ever and in no order, the same ones on each run (a multiplicative generator, Knuth's
/// MMIX), or each once.
#[derive(Debug)]
pub enum Numbers {
    Drawn { state: u64, bound: u32 },
    Each { next: Rc<Cell<u32>>, bound: u32 },
}

impl Numbers {
    pub fn drawn(seed: u64, bound: u32) -> Self {
        Numbers::Drawn { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), bound: bound.max(1) }
    }

    /// Each number once among all that share `next`.
    pub fn each(next: &Rc<Cell<u32>>, bound: u32) -> Self {
        Numbers::Each { next: Rc::clone(next), bound }
    }
}

impl Iterator for Numbers {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Numbers::Drawn { state, bound } => {
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                Some(u32::try_from(*state >> 32).unwrap_or(0) % *bound)
            }
            Numbers::Each { next, bound } => {
                let number = next.get();
                next.set(number.saturating_add(1));
                (number < *bound).then_some(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_place_takes_the_number_and_nothing_else_changes() {
        let mut request = Numbered::new(b"key-0000000 alias-0000000 100".to_vec(), true);
        assert_eq!(request.with(42), b"key-0000042 alias-0000042 100");
        assert_eq!(request.with(9_999_999), b"key-9999999 alias-9999999 100");
        assert_eq!(Numbered::new(b"key-0000000".to_vec(), false).with(42), b"key-0000000");
    }

    #[test]
    fn numbers_drawn_reach_everything_below_their_bound() {
        let seen: BTreeSet<u32> = Numbers::drawn(1, 10).take(1_000).collect();
        assert_eq!(seen, (0..10).collect());
    }

    #[test]
    fn callers_that_share_numbers_take_each_once() {
        let next = Rc::new(Cell::new(0));
        let (mut one, two) = (Numbers::each(&next, 5), Numbers::each(&next, 5));
        assert_eq!(one.next(), Some(0));
        assert_eq!(two.chain(one).collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
