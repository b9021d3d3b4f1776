//! The header fields of one message, in the order in which they were sent.

use smallvec::SmallVec;

use super::Headers;

/// Names, in lower case, and values of a head: one text of all names and one run of all values, cut at the ends
/// that are remembered. The memory serves the next head of the same connection again.
#[derive(Debug, Default)]
pub struct Fields {
    names: String,
    values: Vec<u8>,
    ends: SmallVec<[Ends; 24]>,
}

/// Where a name and its value end. They begin where those before them end.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    name: usize,
    value: usize,
}

impl Fields {
    /// Takes the fields of a new head.
    pub(super) fn take(&mut self, headers: &[httparse::Header<'_>]) {
        self.names.clear();
        self.values.clear();
        self.ends.clear();
        if self.values.capacity() > KEPT_CAPACITY {
            self.values = Vec::new();
        }
        for header in headers {
            self.names.push_str(header.name);
            self.values.extend_from_slice(header.value);
            self.ends.push(Ends { name: self.names.len(), value: self.values.len() });
        }
        self.names.make_ascii_lowercase();
    }

    /// Names, in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut begin = Ends::default();
        self.ends.iter().map(move |end| {
            let name = self.names.get(begin.name..end.name).unwrap_or_default();
            let value = self.values.get(begin.value..end.value).unwrap_or_default();
            begin = *end;
            (name, value)
        })
    }

    /// Those whose name `keep` accepts, to be sent on.
    pub fn copied(&self, keep: impl Fn(&str) -> bool) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in self.iter() {
            if keep(name) {
                if headers.is_empty() {
                    headers = Headers::with_room(self.names.len() + self.values.len() + FIXED_BYTES);
                }
                headers.push_sound(name, value);
            }
        }
        headers
    }

    /// First value of a field; `name` in lower case.
    pub fn get<'f>(&'f self, name: &str) -> Option<&'f [u8]> {
        self.all(name).next()
    }

    /// All values of a field; `name` in lower case.
    pub fn all<'f, 'n>(&'f self, name: &'n str) -> impl Iterator<Item = &'f [u8]> + use<'f, 'n> {
        let mut begin = Ends::default();
        self.ends.iter().filter_map(move |end| {
            let begin = std::mem::replace(&mut begin, *end);
            // Nearly all others are told by their lengths.
            let found = end.name - begin.name == name.len()
                && self.names.as_bytes().get(begin.name..end.name) == Some(name.as_bytes());
            found.then(|| self.values.get(begin.value..end.value).unwrap_or_default())
        })
    }
}

/// Room for what marks lines, and for a field or two that come behind the copied ones.
const FIXED_BYTES: usize = 256;
/// A larger run of values is given back before the next head.
const KEPT_CAPACITY: usize = 4 * 1024;
