//! Signatures of thoughts: opaque to callers, and known again when they come back.
//!
//! A seal is its maker's mark, a number, and a check over both, in letters that are also valid base64. Nothing is
//! stored: whoever made a seal can tell that it did.

/// Whose seal it is. Vendors refuse each other's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Maker {
    Claude,
    Gemini,
    OpenAi,
}

impl Maker {
    fn mark(self) -> &'static str {
        match self {
            Maker::Claude => "SimC",
            Maker::Gemini => "SimG",
            Maker::OpenAi => "SimO",
        }
    }

    /// The seal with this number inside.
    pub(super) fn seal(self, number: u32) -> String {
        let mark = self.mark();
        let check = digest(format!("{mark}{number}").as_bytes());
        format!("{mark}{number:08x}{check:08x}")
    }

    /// The number inside a seal of this maker.
    pub(super) fn open(self, seal: &str) -> Option<u32> {
        let number = seal.strip_prefix(self.mark())?.get(..8)?;
        let number = u32::from_str_radix(number, 16).ok()?;
        (self.seal(number) == seal).then_some(number)
    }
}

/// FNV-1a: a text in 32 bits.
pub(super) fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_maker_of_a_seal_opens_it() {
        let seal = Maker::Claude.seal(7);
        assert_eq!(Maker::Claude.open(&seal), Some(7));
        assert_eq!(seal.len() % 4, 0);
        for (maker, text) in [
            (Maker::Gemini, seal.as_str()),
            (Maker::Claude, &seal.replace('7', "8")),
            (Maker::Claude, "SimC"),
            (Maker::Claude, ""),
            (Maker::Claude, "SimC\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"),
        ] {
            assert_eq!(maker.open(text), None, "{text}");
        }
    }
}
