//! Which key means what: `<prefix>[/<env_id>]/<collection>/<id>` holds a row as bare JSON, written by us or by anybody.
//! Beside the rows, under a name that no collection has, lies what only this program reads.

/// The keys of one gateway's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Ends with a slash: what only begins like the prefix is not under it.
    root: String,
}

/// What a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Row {
        collection: String,
        id: String,
    },
    /// The key that every write of ours puts.
    Guard,
    /// Another key of ours.
    Own,
    /// Not a place for rows: what there is behind the root.
    Nowhere(String),
}

impl Layout {
    pub fn new(prefix: &str, env_id: &str) -> Self {
        let mut root = format!("{}/", prefix.trim_end_matches('/'));
        let env_id = env_id.trim_matches('/');
        if !env_id.is_empty() {
            root.push_str(env_id);
            root.push('/');
        }
        Layout { root }
    }

    pub fn root(&self) -> &str {
        &self.root
    }

    pub fn row(&self, collection: &str, id: &str) -> String {
        format!("{}{collection}/{id}", self.root)
    }

    pub fn guard(&self) -> String {
        format!("{}{OWN}/guard", self.root)
    }

    /// The entry of the audit log with this number. The key of a later entry sorts before that of an earlier one, so
    /// that the latest are the first of a range.
    pub fn entry(&self, number: u64) -> String {
        format!("{}{OWN}/audit/{:016x}", self.root, u64::MAX - number)
    }

    /// All entries of the audit log, as a range.
    pub fn entries(&self) -> (String, String) {
        (format!("{}{OWN}/audit/", self.root), format!("{}{OWN}/audit0", self.root))
    }

    /// All keys that can be rows, as ranges: before what is our own, and behind it.
    pub fn rows(&self) -> [(String, String); 2] {
        let (before, behind) = (format!("{}{OWN}/", self.root), format!("{}{OWN}0", self.root));
        [(self.root.clone(), before), (behind, self.end())]
    }

    /// The first key behind everything under the root.
    pub fn end(&self) -> String {
        let name = self.root.strip_suffix('/').unwrap_or(&self.root);
        // 0 is what follows the slash.
        format!("{name}0")
    }

    pub fn place(&self, key: &[u8]) -> Place {
        let Some(below) = key.strip_prefix(self.root.as_bytes()) else {
            return Place::Nowhere(String::from_utf8_lossy(key).into_owned());
        };
        let Ok(text) = std::str::from_utf8(below) else {
            return Place::Nowhere(String::from_utf8_lossy(below).into_owned());
        };
        match text.split_once('/') {
            Some((OWN, "guard")) => Place::Guard,
            Some((OWN, _)) => Place::Own,
            Some((collection, id)) if !collection.is_empty() && !id.is_empty() => {
                Place::Row { collection: collection.to_owned(), id: id.to_owned() }
            }
            _ => Place::Nowhere(text.to_owned()),
        }
    }
}

/// No collection begins with a dot.
const OWN: &str = ".aisix";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(collection: &str, id: &str) -> Place {
        Place::Row { collection: collection.to_owned(), id: id.to_owned() }
    }

    #[test]
    fn a_key_is_a_row_only_below_the_prefix() {
        let layout = Layout::new("/aisix", "");
        assert_eq!(layout.row("models", "m-1"), "/aisix/models/m-1");
        assert_eq!(layout.place(b"/aisix/models/m-1"), row("models", "m-1"));
        assert_eq!(layout.place(b"/aisix/models/of/team"), row("models", "of/team"));
        for (key, rest) in [
            ("/aisixmodels/x", "/aisixmodels/x"),
            ("/aisix/models", "models"),
            ("/aisix/models/", "models/"),
            ("/aisix//x", "/x"),
            ("/aisix/", ""),
        ] {
            assert_eq!(layout.place(key.as_bytes()), Place::Nowhere(rest.to_owned()), "{key}");
        }
        assert_eq!(layout.place(b"/aisix/models/\xff"), Place::Nowhere("models/\u{fffd}".to_owned()));
    }

    #[test]
    fn an_environment_has_a_root_of_its_own() {
        let layout = Layout::new("/aisix/", "prod");
        assert_eq!(layout.row("api_keys", "k"), "/aisix/prod/api_keys/k");
        assert_eq!(layout.end(), "/aisix/prod0");
        assert_eq!(Layout::new("", "").row("models", "m"), "/models/m");
    }

    #[test]
    fn what_is_our_own_is_in_neither_range_of_rows() {
        let layout = Layout::new("/aisix", "");
        let within = |key: &str| {
            let ranges = layout.rows();
            ranges.iter().any(|(from, to)| key >= from.as_str() && key < to.as_str())
        };
        assert!(within("/aisix/models/m") && within("/aisix/!odd") && within("/aisix/.aisiy/x"));
        for key in [layout.guard(), layout.entry(0), layout.entry(u64::MAX)] {
            assert!(!within(&key), "{key}");
            assert_ne!(layout.place(key.as_bytes()), row(".aisix", "guard"));
        }
        assert_eq!(layout.place(layout.guard().as_bytes()), Place::Guard);
        assert_eq!(layout.place(layout.entry(3).as_bytes()), Place::Own);
    }

    #[test]
    fn later_entries_come_first() {
        let layout = Layout::new("/aisix", "");
        let (from, to) = layout.entries();
        let keys = [from, layout.entry(u64::MAX), layout.entry(12), layout.entry(11), layout.entry(0), to];
        assert!(keys.is_sorted(), "{keys:?}");
    }
}
