//! Texts as people see them.

/// As much of the beginning of a text as fits into so many bytes, in whole characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_ends_between_characters() {
        let cases = [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (5, "aé"), (6, "aé☕"), (9, "aé☕")];
        for (bytes, expected) in cases {
            assert_eq!(beginning("aé☕", bytes), expected, "{bytes}");
        }
    }
}
